"""Layers that users make: functions, @layer, plugs, objects that hold tensors, layers of layers, own gradients."""

import numpy as np
import pytest
from tinygrad import Tensor, nn

import axon_nb as ax
from axon_nb import functional
from axon_nb.errors import GraphError, OptionError, ParamsError, ShapeError

X = ax.input((None, 4), name="x")
ONES = np.ones((3, 4), "float32")
RNG = np.random.default_rng(0)


def fitted(model, x, y, **options):
    return model.fit((x, y), loss="mean_squared_error", optimizer=ax.optimizers.sgd(0.1), epochs=2, **options)


def test_a_tensor_function_is_a_layer():
    assert (X | (lambda x: x.clip(0, 6)) | Tensor.relu).output_shape == (None, 4)
    assert ((X, X) | ax.layer(lambda a, b: a * b)()).output_shape == (None, 4)


@ax.layer
def noisy_counter(scope, x, rate: float = 0.5):
    scale = scope.param("scale", (x.shape[-1],), "ones")
    count = scope.state("count", (1,))
    scope.update("count", count + 1)
    if not scope.training:
        return x * scale
    return x * scale * (scope.random(x.shape) >= rate)


def test_a_layer_with_parameters_state_randomness_and_mode():
    model = X | noisy_counter(0.5)
    params = model.init()
    first, after = model.apply(params, ONES, seed=1)
    again, _ = model.apply(params, ONES, seed=1)
    other, _ = model.apply(params, ONES, seed=2)
    assert first.tolist() == again.tolist() != other.tolist()
    assert (params["noisy_counter_0"]["count"].item(), after["noisy_counter_0"]["count"].item()) == (0, 1)
    np.testing.assert_array_equal(model.predict(params, ONES), ONES)
    trained = fitted(model, ONES, ONES * 2, batch_size=1)
    assert trained.params["noisy_counter_0"]["count"].item() == 6
    assert not np.array_equal(trained.params["noisy_counter_0"]["scale"].numpy(), np.ones(4))


def test_a_layer_draws_normal_numbers():
    """As the middle of a variational autoencoder does; under a policy too."""
    drawn = ax.layer(lambda scope, mean: mean + scope.normal(mean.shape) if scope.training else mean)
    model = ax.input((None, 4)) | drawn()
    means = np.full((5000, 4), 3, "float32")
    first, _ = model.apply(model.init(), means, seed=1)
    other, _ = model.apply(model.init(), means, seed=2)
    assert (first.shape, model.output_shape) == ((5000, 4), (None, 4))
    assert first.numpy().mean() == pytest.approx(3, abs=0.05)
    assert first.numpy().std() == pytest.approx(1, abs=0.05)
    assert not np.array_equal(first.numpy(), other.numpy())
    np.testing.assert_array_equal(model.predict(model.init(), means), means)
    cast = ax.input((None, 4)) | ax.policies.with_policy(drawn(), ax.policies.float16)
    assert cast.apply(cast.init(), means, seed=1)[0].numpy().std() == pytest.approx(1, abs=0.05)


class BackwardRelu:
    """Founding example: a plug without state."""

    @staticmethod
    def init(slope):
        return slope

    @staticmethod
    def call(x, slope):
        return x.relu() - slope * (-x).relu()


class Counted:
    def init(self, units):
        kernel = Tensor(np.full((4, units), 0.5, "float32"))
        return {"kernel": kernel, "calls": Tensor([0.0]).is_param_(False)}

    def call(self, x, state):
        return x @ state["kernel"], {**state, "calls": state["calls"] + 1}


def test_plugs_of_classes_objects_and_functions():
    x = np.array([[-1.0, 2.0, 0.0, -4.0]], "float32")
    for one in (BackwardRelu, BackwardRelu()):
        model = X | ax.plug(one, 0.5)
        assert list(model.names.values()) == ["x", "BackwardRelu_0"]
        assert model.predict(model.init(), x).tolist() == [[-0.5, 2, 0, -2]]
    scaled = X | ax.plug(lambda x, by: x * by, 2.0)
    assert scaled.predict(scaled.init(), x).tolist() == [[-2, 4, 0, -8]]


def test_a_plug_with_state_trains():
    plug = ax.plug(Counted, 2, name="counted")
    model = X | plug
    assert model.params == {"counted.kernel": (4, 2), "counted.calls": (1,)}
    params = model.init()
    assert list(params.trainable.flat) == ["counted.kernel"]
    assert model.predict(params, ONES).tolist() == [[2, 2]] * 3
    trained = fitted(model, ONES, np.zeros((3, 2), "float32"))
    assert trained.params["counted"]["calls"].item() == 2
    assert trained.history["loss"][1] < trained.history["loss"][0]
    assert model.init()["counted"]["kernel"].numpy().tolist() == [[0.5, 0.5]] * 4


@pytest.mark.parametrize(("thing", "words"), [
    (3, "a plug is a function, or has init"), (int, "a plug is a function"), (object(), "a plug is a function"),
])  # fmt: skip
def test_what_is_no_plug(thing, words):
    with pytest.raises(GraphError, match=words):
        ax.plug(thing)


def test_a_plug_that_loses_its_state():
    class Losing(Counted):
        def call(self, x, state):
            return x, {"kernel": state["kernel"]}

    model = X | ax.plug(Losing, 2)
    with pytest.raises((ShapeError, ParamsError)):
        _ = model.output_shape


class Net:
    """A module as in PyTorch: tinygrad layers in attributes, and a call."""

    def __init__(self):
        self.layers = [nn.Linear(4, 8), Tensor.relu, nn.Linear(8, 2)]
        self.norm = nn.BatchNorm(2)
        self.title = "net"

    def __call__(self, x):
        return self.norm(x.sequential(self.layers))


def test_objects_that_hold_tensors_are_layers():
    linear = nn.Linear(4, 2)
    model = X | linear
    assert model.params == {"Linear_0.weight": (2, 4), "Linear_0.bias": (2,)}
    np.testing.assert_allclose(model.predict(model.init(), ONES), linear(Tensor(ONES)).numpy(), atol=1e-6)


def test_an_object_is_trained_and_stays_as_it_was():
    net = Net()
    before = {name: tensor.numpy().copy() for name, tensor in nn.state.get_state_dict(net).items()}
    held = dict(nn.state.get_state_dict(net))
    model = X | net
    assert "Net_0.layers.0.weight" in model.params
    params = model.init()
    assert {*params.state.flat} == {f"Net_0.norm.{n}" for n in ("running_mean", "running_var", "num_batches_tracked")}
    x, y = RNG.normal(size=(8, 4)).astype("float32"), RNG.normal(size=(8, 2)).astype("float32")
    trained = fitted(model, x, y, batch_size=8)
    moved = trained.params.flat
    assert moved["Net_0.norm.num_batches_tracked"].item() == 2
    assert not np.array_equal(moved["Net_0.layers.0.weight"].numpy(), before["layers.0.weight"])
    assert not np.array_equal(moved["Net_0.norm.running_mean"].numpy(), before["norm.running_mean"])
    model.predict(trained.params, x)
    for name, tensor in nn.state.get_state_dict(net).items():
        assert tensor is held[name]
        np.testing.assert_array_equal(tensor.numpy(), before[name])


def test_an_object_used_twice_is_one_layer():
    linear = nn.Linear(4, 4)
    assert (X | linear | linear).init().count == 20
    assert (X | linear | nn.Linear(4, 4)).init().count == 40

    class Coder:
        def __init__(self):
            self.kernel = Tensor.ones(4, 2)

        def encode(self, x):
            return x @ self.kernel

    coder = Coder()
    assert (X | coder.encode).params == {"encode_0.kernel": (4, 2)}


@ax.layer
def gated(scope, x, units: int):
    values = scope.apply(ax.block("values", ax.dense(units), ax.dropout(0.5)), x)
    return values * scope.apply(ax.dense(units, "sigmoid") | ax.batch_norm(), x)


def test_a_layer_made_of_layers():
    model = X | gated(2)
    assert {*model.params} == {
        "gated_0.values.dense_0.kernel", "gated_0.values.dense_0.bias", "gated_0.dense_0.kernel",
        "gated_0.dense_0.bias", *(f"gated_0.batch_norm_0.{n}" for n in ("gamma", "beta", "mean", "variance")),
    }  # fmt: skip
    params = model.init()
    assert params["gated_0"]["values"]["dense_0"]["kernel"].shape == (4, 2)
    _, after = model.apply(params, RNG.normal(size=(5, 4)).astype("float32"))
    assert after["gated_0"]["batch_norm_0"]["mean"].tolist() != [0, 0]
    assert fitted(model, ONES, np.ones((3, 2), "float32")).epochs == 2


def test_a_part_used_again_has_the_same_weights():
    tied = ax.dense(4)

    @ax.layer
    def twice(scope, x):
        return scope.apply(tied, scope.apply(tied, x))

    assert (X | twice()).init().count == 20
    with pytest.raises(
        ShapeError, match=r"its dense_0.kernel is \(4, 4\), and must be \(2, 4\) where it is used again"
    ):
        _ = (X | ax.layer(lambda scope, x: scope.apply(tied, scope.apply(tied, x)[:, :2]))()).output_shape
    model = ax.input((None, 4)) | ax.dense(4)
    assert (X | ax.layer(lambda scope, x: scope.apply(model, x), name="inner")()).params == {
        "inner_0.dense_0.kernel": (4, 4), "inner_0.dense_0.bias": (4,),
    }  # fmt: skip


def test_scan_goes_through_time_with_one_set_of_weights():
    seq = ax.input((None, 3, 4), name="seq")
    step = ax.concatenate() | ax.dense(2, "tanh")
    model = seq | ax.scan(step, state=2)
    assert model.params == {"scan_0.dense_0.kernel": (6, 2), "scan_0.dense_0.bias": (2,)}
    params = model.init()
    x = RNG.normal(size=(1, 3, 4)).astype("float32")
    state, expected = np.zeros((1, 2), "float32"), []
    for t in range(3):
        kernel, bias = (value.numpy() for value in params["scan_0"]["dense_0"].values())
        state = np.tanh(np.concatenate([x[:, t], state], -1) @ kernel + bias)
        expected.append(state)
    np.testing.assert_allclose(model.predict(params, x), np.stack(expected, 1), atol=1e-6)
    total = ax.scan(lambda x, state: (x + state, x + state))
    added = total(seq, ax.input((None, 4), name="first"))
    assert added.predict(added.init(), {"seq": x, "first": np.zeros((1, 4))}).shape == (1, 3, 4)
    with pytest.raises(ShapeError, match=r"scan .*: needs a first state"):
        _ = (seq | total).output_shape
    with pytest.raises(OptionError, match="scan: state must be the shape of one sample's state"):
        ax.scan(step, state=(0,))
    assert repr(ax.scan(ax.add(), 2)) == "scan(add(), state=(2,))"


def test_uniqued_gives_what_the_layer_gives():
    words = ax.input((None, 5), dtype="int32", name="words")
    inner = ax.embedding(7, 3) | ax.dense(2, "tanh")
    model, plain = words | ax.uniqued(inner, 7), words | inner
    params = model.init()
    x = RNG.integers(0, 7, (2, 5))
    given = ax.Params({path[1:]: leaf for path, leaf in params.leaves.items()})
    np.testing.assert_allclose(model.predict(params, x), plain.predict(given, x), atol=1e-6)
    with pytest.raises(OptionError, match="uniqued: size must be a whole number of at least 1"):
        ax.uniqued(inner, 0)
    with pytest.raises(ShapeError, match=r"uniqued .*: needs whole numbers"):
        _ = (ax.input((None, 3)) | ax.uniqued(inner, 7)).output_shape


def gradient_of(layer, x):
    given = Tensor(np.array([x], "float32"))
    model = ax.input((None, len(x))) | layer
    y, _ = model.apply(model.init(), given)
    return y.tolist()[0], y.sum().gradient(given)[0].tolist()[0]


@pytest.mark.parametrize(("layer", "y", "gradient"), [
    (ax.gradient_reversal(), [1.5, -2], [-1, -1]),
    (ax.gradient_reversal(0.25), [1.5, -2], [-0.25, -0.25]),
    (ax.straight_through(lambda x: x.sign()), [1, -1], [1, 1]),
    (ax.straight_through("relu"), [1.5, 0], [1, 1]),
    (ax.custom_gradient(lambda x: x * 3, lambda gradient, x: gradient * x), [4.5, -6], [1.5, -2]),
])  # fmt: skip
def test_gradients_of_ones_own(layer, y, gradient):
    assert gradient_of(layer, [1.5, -2.0]) == (y, gradient)


def test_a_gradient_of_ones_own_with_several_inputs():
    add = functional.custom_gradient(lambda a, b: a + b, lambda gradient, a, b: (gradient * 2, None))
    a, b = Tensor([1.0]), Tensor([2.0])
    assert [g.item() for g in (add(a, b) * 5).sum().gradient(a, b)] == [10, 0]
    both = functional.custom_gradient(lambda a, b: a + b, lambda gradient, a, b: (gradient * 2, gradient * 3))
    assert both(a, a).sum().gradient(a)[0].item() == 5
    bad = functional.custom_gradient(lambda a, b: a + b, lambda gradient, a, b: gradient)
    with pytest.raises(ShapeError, match="backward must return a gradient for each of the 2 inputs"):
        bad(a, b).sum().gradient(a)
    with pytest.raises(GraphError, match="custom_gradient takes two functions of tensors"):
        ax.custom_gradient(3, lambda g, x: g)


def test_a_layer_before_a_reversed_gradient_learns_the_opposite():
    model = X | ax.dense(1, kernel_initializer="ones", use_bias=False) | ax.gradient_reversal()
    trained = fitted(model, ONES, np.zeros((3, 1), "float32"))
    assert trained.history["loss"][1] > trained.history["loss"][0]


def test_a_loop_of_ones_own_takes_gradients_through_apply():
    model = X | ax.dense(1, use_bias=False) | ax.dropout(0.0)
    params = model.init()
    x = Tensor(ONES)
    y, _ = model.apply(params, x)
    kernel, of_x = y.sum().gradient(params["dense_0"]["kernel"], x)
    np.testing.assert_allclose(kernel.numpy(), np.full((4, 1), 3.0))
    np.testing.assert_allclose(of_x.numpy()[0], params["dense_0"]["kernel"].numpy()[:, 0])
    losses = []
    for _ in range(3):
        y, _ = model.apply(params, x)
        loss = (y - 1).square().mean()
        weights = list(params.flat.values())
        steps = loss.gradient(*weights)
        found = dict(zip(params.leaves, steps, strict=True))
        params = params.map(lambda path, leaf, found=found: (leaf.tensor - 0.05 * found[path]).realize())
        losses.append(loss.item())
    assert losses[0] > losses[1] > losses[2]
