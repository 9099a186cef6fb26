"""First weights, and running: predict, apply, compile and build."""

import gc
import pickle
import threading
import weakref

import numpy as np
import pytest
from tinygrad import Tensor

import axon_nb as ax
from axon_nb.errors import AxonError, DataError, DeviceError, GraphError, OptionError, ParamsError, ShapeError

FIRST_ROW = [-0.8432586789131165, 0.5882788300514221, 0.7229501008987427]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 4)).astype("float32")


@pytest.fixture(scope="module")
def model():
    return ax.input((None, 4), name="x") | ax.dense(3, "tanh") | ax.dense(2)


@pytest.fixture(scope="module")
def params(model):
    return model.init(seed=0)


class TestInit:
    def test_the_same_seed_draws_the_same(self, model, params):
        assert model.init(seed=0) == params
        assert model.init(seed=1) != params
        assert model.init(seed=-(2**70)) == model.init(seed=-(2**70))

    def test_numbers_stay_what_they_are(self, params):
        # Of this release: a change would change everybody's results.
        kernel = params["dense_0"]["kernel"].numpy()
        assert kernel.shape == (4, 3)
        assert kernel[0].tolist() == FIRST_ROW

    def test_a_layers_weights_do_not_depend_on_the_rest_of_the_model(self, params):
        longer = ax.input((None, 4)) | ax.dense(3) | ax.dense(2) | ax.dense(7) | ax.dense(1)
        drawn = longer.init(seed=0)
        for name in ("dense_0.kernel", "dense_1.kernel"):
            assert np.array_equal(drawn[name].numpy(), params[name].numpy())

    def test_layers_and_parameters_draw_other_numbers(self):
        drawn = (ax.input((None, 4)) | ax.dense(4, bias_initializer="normal") | ax.dense(4, name="b")).init().flat
        values = [tensor.numpy().ravel()[:3].tolist() for name, tensor in drawn.items() if "b.bias" not in name]
        assert len({tuple(v) for v in values}) == 3

    def test_a_shared_layer_has_one_set_of_weights(self):
        layer = ax.dense(4)
        assert (ax.input((None, 4)) | layer | layer).init().count == 20

    @pytest.mark.parametrize("seed", [1.5, "a", None, True])
    def test_a_seed_is_a_whole_number(self, model, seed):
        with pytest.raises(OptionError, match=f"^seed must be a whole number\n  got: {seed!r}$"):
            model.init(seed=seed)

    def test_an_input_may_be_called_anything(self):
        model = ax.input((None, 4), name="seed") | ax.dense(1)
        assert model.init(3).count == 5
        assert model.predict(model.init(), {"seed": X}).shape == (5, 1)

    def test_like_keeps_what_fits(self, params):
        wider = ax.input((None, 4)) | ax.dense(3, "tanh") | ax.dense(5)
        words = (
            r"^like: kept 2 of 4 parameters; dropped dense_1.kernel, dense_1.bias; drew dense_1.kernel, dense_1.bias$"
        )
        with pytest.warns(UserWarning, match=words) as caught:
            kept = wider.init(seed=9, like=params)
        assert caught[0].filename == __file__
        assert np.array_equal(kept["dense_0"]["kernel"].numpy(), params["dense_0"]["kernel"].numpy())
        assert kept["dense_1"]["kernel"].shape == (3, 5)

    def test_like_copies(self, model, params):
        kept = model.init(like=params)
        assert kept == params
        kept["dense_0"]["bias"].assign(Tensor([1.0, 1.0, 1.0])).realize()
        assert params["dense_0"]["bias"].tolist() == [0.0, 0.0, 0.0]

    def test_like_is_params(self, model):
        with pytest.raises(ParamsError, match=r"^like takes params, or what fit returned\n  got: 3$"):
            model.init(like=3)

    @pytest.mark.parametrize(("initializer", "value"), [("ones", 1.0), (0.25, 0.25), (ax.initializers.full(3.0), 3.0)])
    def test_initializers(self, initializer, value):
        drawn = (ax.input((None, 2)) | ax.dense(2, kernel_initializer=initializer)).init()
        assert drawn["dense_0"]["kernel"].tolist() == [[value, value]] * 2


class TestPredict:
    def test_an_array_gives_an_array(self, model, params):
        y = model.predict(params, X)
        assert isinstance(y, np.ndarray)
        w0, b0, w1, b1 = (tensor.numpy() for tensor in params.flat.values())
        np.testing.assert_allclose(y, np.tanh(X @ w0 + b0) @ w1 + b1, rtol=1e-5, atol=1e-6)

    def test_a_tensor_gives_a_tensor(self, model, params):
        y = model.predict(params, Tensor(X))
        assert isinstance(y, Tensor)
        assert np.array_equal(y.numpy(), model.predict(params, X))

    @pytest.mark.parametrize("x", [
        X.tolist(), X.astype("float64"), X.astype("float16"), {"x": X}, np.asfortranarray(X)
    ], ids=["list", "float64", "float16", "dict", "fortran"])  # fmt: skip
    def test_all_ways_to_give_data(self, model, params, x):
        y = model.predict(params, x)
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, model.predict(params, X), atol=2e-3)

    def test_whole_numbers_and_yes_or_no_become_floats(self, model, params):
        whole = model.predict(params, np.ones((2, 4), "uint8"))
        assert np.array_equal(whole, model.predict(params, np.ones((2, 4), bool)))
        assert np.array_equal(whole, model.predict(params, np.ones((2, 4), "float32")))

    def test_a_torch_tensor(self, model, params):
        torch = pytest.importorskip("torch")
        assert np.array_equal(model.predict(params, torch.tensor(X, requires_grad=True)), model.predict(params, X))

    def test_the_data_is_left_alone(self, model, params):
        x = X.copy()
        model.predict(params, x)
        assert np.array_equal(x, X)

    def test_several_inputs_by_name_and_in_order(self):
        a, b = ax.input((None, 4), name="a"), ax.input((None, 2), name="b")
        model = (a, b) | ax.concatenate()
        params, y = model.init(), np.ones((5, 2), "float32")
        expected = np.concatenate([X, y], axis=1)
        for given in ({"b": y, "a": X}, (X, y), {"a": Tensor(X), "b": y}):
            result = model.predict(params, given)
            assert np.array_equal(np.asarray(result.numpy() if isinstance(result, Tensor) else result), expected)

    def test_several_outputs_are_nested_as_the_model_is(self):
        x = ax.input((None, 4))
        model = (x | ax.relu(), x) | ax.noop()
        first, second = model.predict(model.init(), X)
        assert np.array_equal(first, np.maximum(X, 0))
        assert np.array_equal(second, X)

    def test_one_output_twice(self):
        x = ax.input((None, 4)) | ax.relu()
        first, second = ((x, x) | ax.noop()).predict(x.init(), X)
        assert np.array_equal(first, second)

    def test_results_do_not_change_when_predicting_again(self, model, params):
        first = model.predict(params, Tensor(X))
        before = first.numpy().copy()
        model.predict(params, Tensor(X + 1))
        assert np.array_equal(first.numpy(), before)

    def test_other_weights_give_other_results(self, model, params):
        other = model.init(seed=1)
        first = model.predict(params, X)
        assert not np.array_equal(model.predict(other, X), first)
        assert np.array_equal(model.predict(params, X), first)

    def test_batches_of_any_size(self, model, params):
        whole = model.predict(params, X)
        for size in (1, 2, 5):
            np.testing.assert_allclose(model.predict(params, X[:size]), whole[:size], atol=1e-6)

    def test_a_model_without_layers(self):
        x = ax.input((None, 4))
        assert np.array_equal(x.predict(x.init(), X), X)

    def test_whole_number_inputs(self):
        rows = [[0.0], [1.0], [2.0]]
        model = ax.input((None, 2), dtype="int32") | ax.embedding(3, 1, kernel_initializer=lambda shape, rng: rows)
        assert model.predict(model.init(), [[2, 1], [0, 3]]).ravel().tolist() == [2.0, 1.0, 0.0, 0.0]
        assert model.predict(model.init(), np.array([[2.0, 1.0]])).ravel().tolist() == [2.0, 1.0]

    def test_params_of_another_model(self, model, params):
        bigger = ax.input((None, 4)) | ax.dense(3) | ax.dense(7) | ax.dense(2)
        words = (
            r"^these parameters do not belong to this model\n  got: missing: dense_2.kernel, dense_2.bias; "
            r"dense_1.kernel is \(3, 2\) and must be \(3, 7\); dense_1.bias is \(2,\) and must be \(7,\)\n"
            r"  fix: make them with model.init\(\), or init\(like=params\)$"
        )
        with pytest.raises(ParamsError, match=words):
            bigger.predict(params, X)

    def test_params_that_are_none(self, model):
        with pytest.raises(ParamsError, match=r"^params come from model\.init\(\) or fit\(\.\.\.\)\.params\n  got: 3$"):
            model.predict(3, X)
        with pytest.raises(ParamsError, match=r"^params come from"):
            model.apply({}, X)

    def test_a_device_that_does_not_exist(self, model, params):
        with pytest.raises(DeviceError, match=r"^there is no device 'gpu7'"):
            model.predict(params, X, device="gpu7")
        assert model.predict(params, X, device="cpu").shape == (5, 2)


def by_hand(params, x):
    w0, b0, w1, b1 = (tensor.numpy() for tensor in params.flat.values())
    return np.tanh(x @ w0 + b0) @ w1 + b1


class TestPredictAgain:
    """What was checked is not checked again, and what changed is seen: after one call, and after many."""

    @pytest.mark.parametrize("calls", [1, 2, 5])
    @pytest.mark.parametrize("change", [
        lambda w: w.assign(Tensor.ones(4, 3)).realize(), lambda w: w.assign(Tensor.ones(4, 3)),
        lambda w: w.replace(Tensor.ones(4, 3).contiguous().realize()), lambda w: w.replace(Tensor.ones(4, 3)),
        lambda w: w.replace(Tensor(np.ones((3, 4), "float32")).realize().T),
    ], ids=["assigned", "assigned lazily", "replaced", "replaced lazily", "replaced by a view"])  # fmt: skip
    def test_weights_that_change_are_seen(self, model, change, calls):
        params = model.init(seed=3)
        compiled = model.compile(params=params)
        for run in (lambda x: model.predict(params, x), compiled):
            for _ in range(calls):
                np.testing.assert_allclose(run(X), by_hand(params, X), rtol=1e-5, atol=1e-6)
        change(params["dense_0"]["kernel"])
        expected = np.tanh(X.sum(axis=1, keepdims=True) + np.zeros(3)) @ params["dense_1"]["kernel"].numpy()
        for run in (lambda x: model.predict(params, x), compiled):
            for turn in range(4):
                np.testing.assert_allclose(run(X[turn:]), expected[turn:], rtol=1e-5, atol=1e-6)

    def test_weights_that_do_not_fit_are_refused_as_at_first(self, model, params):
        for _ in range(3):
            model.predict(params, X)
        wide = (ax.input((None, 4)) | ax.dense(3) | ax.dense(7)).init()
        with pytest.raises(ParamsError, match=r"dense_1.kernel is \(3, 7\) and must be \(3, 2\)"):
            model.predict(wide, X)

    def test_the_same_tensors_by_other_names_are_refused(self, model, params):
        for _ in range(3):
            model.predict(params, X)
        with pytest.raises(ParamsError, match=r"missing: dense_0\.kernel, dense_0\.bias"):
            model.predict(params.rename({"dense_0": "other"}), X)

    def test_params_and_batches_take_turns(self, model):
        several = [model.init(seed=seed) for seed in range(3)]
        for turn in range(4):
            for size in (5, 1, 3):
                for params in several:
                    x = X[:size] + turn
                    np.testing.assert_allclose(model.predict(params, x), by_hand(params, x), rtol=1e-5, atol=1e-6)

    def test_data_that_does_not_fit_is_refused_as_at_first(self, model, params):
        for _ in range(3):
            model.predict(params, X)
        for bad, words in [
            (X[:, :3], r"does not fit: it takes \(None, 4\)"), (X[:0], "is empty"), (X[0], "does not fit"),
            (X.astype(str), "these are not numbers"), ({"y": X}, "there is no input 'y'"), ((X, X), "does not fit"),
        ]:  # fmt: skip
            with pytest.raises(AxonError, match=words):
                model.predict(params, bad)

    def test_fractions_for_whole_numbers_are_refused_also_later(self):
        model = ax.input((None, 2), dtype="int32") | ax.embedding(3, 1)
        params = model.init()
        for _ in range(3):
            model.predict(params, np.array([[0.0, 1.0]]))
        with pytest.raises(DataError, match=r"takes whole numbers \(int32\)\n  got: numbers such as 0.5"):
            model.predict(params, np.array([[0.5, 1.0]]))

    def test_inputs_of_all_dtypes_in_turn(self, model, params):
        for _ in range(4):
            for dtype in ("float32", "float64", "int64", "uint8", "bool", "float16", ">f4"):
                x = np.array([[0, 1, 1, 0]], dtype)
                np.testing.assert_allclose(model.predict(params, x), by_hand(params, x.astype("float32")), atol=1e-5)

    def test_a_declared_dtype_that_numpy_has_not(self):
        model = ax.input((None, 2), dtype="bfloat16") | (lambda x: x * 2)
        for turn in range(4):
            y = model.predict(model.init(), np.array([[1.0, turn]]))
            assert (y.dtype, y.tolist()) == (np.float32, [[2.0, 2.0 * turn]])

    def test_optional_inputs_come_and_go(self):
        a, b = ax.input((None, 2), name="a"), ax.input((None, 2), name="b", optional=True)
        model = (a, ax.or_else(b, a)) | ax.add()
        params, x = model.init(), np.ones((1, 2), "float32")
        for turn in range(4):
            assert model.predict(params, {"a": x, "b": turn * x}).tolist() == [[1 + turn] * 2]
            assert model.predict(params, {"a": x}).tolist() == [[2, 2]]

    def test_several_outputs_stay_as_they_are(self):
        x = ax.input((None, 4))
        model = (x | ax.relu(), x) | ax.noop()
        seen = [model.predict(model.init(), X + turn) for turn in range(5)]
        for turn, (first, second) in enumerate(seen):
            assert np.array_equal(first, np.maximum(X + turn, 0))
            assert np.array_equal(second, X + turn)

    def test_arrays_and_tensors_take_turns(self, model, params):
        for turn in range(4):
            tensor = model.predict(params, Tensor(X + turn))
            np.testing.assert_allclose(tensor.numpy(), by_hand(params, X + turn), rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(model.predict(params, X), by_hand(params, X), rtol=1e-5, atol=1e-6)

    def test_devices_take_turns(self, model, params):
        elsewhere = params.to("CPU:1")
        for turn in range(4):
            for given, device in [(params, None), (params, "CPU:1"), (elsewhere, None), (elsewhere, "CPU")]:
                y = model.predict(given, X + turn, device=device)
                np.testing.assert_allclose(y, by_hand(params, X + turn), rtol=1e-5, atol=1e-6)

    def test_threads_may_predict_at_the_same_time(self, model):
        several = [model.init(seed=seed) for seed in range(3)]
        failures = []

        def run(params, number):
            for turn in range(60):
                x = X + number + turn % 7
                if not np.allclose(model.predict(params, x), by_hand(params, x), rtol=1e-5, atol=1e-6):
                    failures.append((number, turn))

        threads = [threading.Thread(target=run, args=given) for given in zip(several, range(3), strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures

    def test_hooks_see_the_numbers_of_each_call_and_may_keep_them(self, model, params):
        seen = []
        watched = model.hook("x", seen.append)
        for turn in range(4):
            watched.predict(params, X + turn)
        assert all(np.array_equal(one.numpy(), X + turn) for turn, one in enumerate(seen))

    def test_a_hook_added_later_is_called(self, model, params):
        for _ in range(3):
            model.predict(params, X)
        doubled = model.hook("dense_1", lambda y: y * 2, compiled=True)
        for _ in range(3):
            np.testing.assert_allclose(doubled.predict(params, X), 2 * by_hand(params, X), rtol=1e-5, atol=1e-6)

    def test_a_model_keeps_no_weights_alive(self):
        model = ax.input((None, 4)) | ax.dense(3)
        params = model.init()
        for _ in range(4):
            model.predict(params, X)
        watched = weakref.ref(params["dense_0"]["kernel"].uop)
        del params
        gc.collect()
        assert watched() is None
        assert model.predict(model.init(), X).shape == (5, 3)

    def test_a_model_that_was_run_is_copied_and_stored_as_before(self, model, params):
        for _ in range(3):
            model.predict(params, X)
        again = pickle.loads(pickle.dumps(model))
        assert again.equals(model)
        assert np.array_equal(again.predict(params, X), model.predict(params, X))


class TestApply:
    def test_it_changes_nothing(self):
        model = ax.input((None, 4)) | ax.batch_norm(momentum=0.5) | ax.dropout(0.5)
        params = model.init()
        before = params.copy()
        first, after = model.apply(params, X, seed=1)
        second, again = model.apply(params, X, seed=1)
        assert params == before
        assert np.array_equal(first.numpy(), second.numpy())
        assert after == again
        assert after != params
        assert not np.array_equal(model.apply(params, X, seed=2)[0].numpy(), first.numpy())

    def test_inference_is_predict(self):
        model = ax.input((None, 4)) | ax.batch_norm() | ax.dropout(0.5)
        params = model.init()
        y, after = model.apply(params, X, mode="inference")
        assert np.array_equal(y.numpy(), model.predict(params, X))
        assert after == params

    def test_a_shared_batch_norm_is_updated_by_each_use_in_turn(self):
        norm = ax.batch_norm(momentum=0.5, epsilon=1e-12, name="bn")
        model = ax.input((None, 1)) | norm | (lambda x: x + 10) | norm
        _, after = model.apply(model.init(), np.array([[1.0], [3.0]], "float32"))
        assert after["bn"]["mean"].tolist() == pytest.approx([(0.5 * 2) * 0.5 + 0.5 * 10])

    @pytest.mark.parametrize(("options", "words"), [
        ({"mode": "training"}, r"^mode is 'train' or 'inference'\n  got: 'training'$"),
        ({"seed": "a"}, r"^seed must be a whole number\n  got: 'a'$"),
    ])  # fmt: skip
    def test_options(self, model, params, options, words):
        with pytest.raises(OptionError, match=words):
            model.apply(params, X, **options)


def test_compile_has_weights_of_its_own(model, params):
    compiled = model.compile(seed=0)
    assert np.array_equal(compiled(X), model.predict(params, X))
    assert compiled.device == "CPU"
    assert repr(compiled).startswith("<Compiled on CPU: <Model: x (None, 4) -> ")
    other = model.compile(params=params)
    assert other.params is params
    unknown = ax.input(name="x") | ax.dense(2)
    assert unknown.compile(x=(1, 4))(X).shape == (5, 2)


def test_build_gives_two_pure_functions(model, params):
    init_fn, predict_fn = ax.build(model)
    assert init_fn(0) == params
    assert np.array_equal(predict_fn(init_fn(0), X), model.predict(params, X))
    _, apply_fn = ax.build(ax.input((None, 4)) | ax.dropout(0.5), mode="train")
    y, after = apply_fn(ax.input((None, 4)).init(), X, 3)
    assert y.shape == (5, 4)
    assert len(after) == 0


def test_an_error_while_running_names_the_layer():
    @ax.layer
    def picky(x):
        if x.shape[0] == 7:
            raise ValueError("not seven")
        return x

    model = ax.input((None, 4)) | picky()
    with pytest.raises(
        ShapeError, match=r"^picky 'picky_0' \(test_compiled.py line \d+\): not seven\n  got: \(7, 4\)$"
    ):
        model.predict(model.init(), np.zeros((7, 4), "float32"))
    with pytest.raises(DataError, match=r"^input 'input_0' is empty\n"):
        model.predict(model.init(), np.zeros((0, 4), "float32"))


def test_build_takes_a_model_and_a_mode():
    with pytest.raises(GraphError, match=r"^build takes a model\n  got: dense\(3\)"):
        ax.build(ax.dense(3))
    with pytest.raises(OptionError, match=r"^mode is 'train' or 'inference'\n  got: 'test'"):
        ax.build(ax.input((None, 3)) | ax.dense(3), mode="test")
