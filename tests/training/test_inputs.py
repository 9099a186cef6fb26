"""What fit takes: functions that make batches, PyTorch's and TensorFlow's data, weights, several outputs."""

import numpy as np
import pytest
from tinygrad import Tensor

import axon_nb as ax
from axon_nb.errors import AxonError, DataError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 3)).astype("float32")
LINE = (X @ np.array([[1.0], [-2.0], [0.5]], "float32") + 1).astype("float32")
MODEL = ax.input((None, 3)) | ax.dense(1)
BATCHES = [(X[:8], LINE[:8]), (X[8:16], LINE[8:16]), (X[16:], LINE[16:])]
SGD = ax.optimizers.sgd(learning_rate=0.1)
OPTIONS = {"loss": "mean_squared_error", "optimizer": SGD, "epochs": 2, "batch_size": 8}


def fit(data, model=MODEL, **options):
    return model.fit(data, **{**OPTIONS, **options})


def test_functions_that_make_batches():
    listed = fit(BATCHES)
    seen = []

    def by_epoch(epoch):
        seen.append(epoch)
        yield from BATCHES

    for data in (lambda: iter(BATCHES), lambda: BATCHES, by_epoch):
        assert fit(data).params == listed.params
    assert seen == [0, 0, 1]  # it looks at the first batch before it begins
    with pytest.raises(DataError, match=r"^the function given as data must return an iterable of batches\n  got: 3"):
        fit(lambda: 3)


def test_data_without_an_end():
    def forever():
        while True:
            yield from BATCHES

    assert fit(forever, steps_per_epoch=3).params == fit(BATCHES).params
    assert fit((X, LINE), steps_per_epoch=2).epochs == 2


class SomeData:
    """As PyTorch's Dataset: a length, and a sample for each number."""

    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        return X[index], LINE[index]


def test_a_data_set_of_samples_is_as_its_arrays():
    assert fit(SomeData()).params == fit((X, LINE)).params


def test_pytorchs_own():
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(LINE))
    assert fit(data).params == fit((X, LINE)).params
    loader = torch.utils.data.DataLoader(data, batch_size=8, shuffle=False)
    assert fit(loader, validation=loader).params == fit(BATCHES).params

    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return zip(torch.tensor(X), torch.tensor(LINE), strict=True)

    assert fit(Stream()).params == fit(BATCHES).params
    assert fit((torch.tensor(X), torch.tensor(LINE))).params == fit((X, LINE)).params


def test_tensorflows_by_what_it_can_do():
    class LikeTensorFlow:
        def as_numpy_iterator(self):
            return iter(BATCHES)

        def __len__(self):
            return 3

    assert fit(LikeTensorFlow()).params == fit(BATCHES).params


def test_sample_weights_count_as_copies_do():
    weights = np.array([0, 1, 2, 3] * 5, "float32")
    copies = np.repeat(np.arange(20), weights.astype(int))
    weighted = fit((X, LINE, weights), batch_size=20)
    copied = fit([(X[copies], LINE[copies])], like=MODEL.init())
    for name, tensor in weighted.params.flat.items():
        np.testing.assert_allclose(tensor.numpy(), copied.params[name].numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(weighted.history["loss"], copied.history["loss"], rtol=1e-5)
    batches = [(X[:10], LINE[:10], weights[:10]), (X[10:], LINE[10:], weights[10:])]
    assert fit(batches).epochs == 2
    watched = fit((X, LINE, weights), validation=0.25)
    assert watched.params == fit((X[:15], LINE[:15], weights[:15])).params


@pytest.mark.parametrize(("weights", "words"), [
    (np.ones(19), r"^the sample weights are one number for each sample\n  got: 20 samples, weights \(19,\)"),
    (-np.ones(20), "^a sample weight is below 0\n  got: -1"),
    (np.full(20, np.nan), "^the sample weights has 20 NaN values"),
    (["a"] * 20, "^the sample weights: these are not numbers"),
])  # fmt: skip
def test_weights_that_are_none(weights, words):
    with pytest.raises(AxonError, match=words):
        fit((X, LINE, weights))


class TestSeveralOutputs:
    x = ax.input((None, 3), name="x")
    body = x | ax.dense(4, "tanh", name="body")
    kinds = (X[:, 0] > 0).astype("int64")

    @property
    def model(self):
        return ax.outputs(box=self.body | ax.dense(1, name="b"), kind=self.body | ax.dense(2, "softmax", name="k"))

    losses = {"box": "mean_squared_error", "kind": "categorical_cross_entropy"}  # noqa: RUF012

    def test_a_loss_for_each_by_name_or_in_order(self):
        y = {"box": LINE, "kind": self.kinds}
        named = fit((X, y), self.model, loss=self.losses, metrics={"kind": ["accuracy"]})
        assert list(named.history) == ["loss", "box_loss", "kind_loss", "kind_accuracy"]
        total = np.array(named.history["box_loss"]) + named.history["kind_loss"]
        np.testing.assert_allclose(named.history["loss"], total, rtol=1e-5)
        ordered = fit((X, (LINE, self.kinds)), self.model, loss=tuple(self.losses.values()))
        assert ordered.params == named.params
        found = named.evaluate((X, y))
        p = named.predict(X)
        assert found["box_loss"] == pytest.approx(((p["box"] - LINE) ** 2).mean(), rel=1e-4)
        assert found["kind_loss"] == pytest.approx(-np.log(p["kind"][range(20), self.kinds]).mean(), rel=1e-4)
        batches = [(X[:10], y_of(y, slice(0, 10))), (X[10:], y_of(y, slice(10, 20)))]
        assert fit(batches, self.model, loss=self.losses, validation=batches).epochs == 2

    def test_weights_of_losses(self):
        y = {"box": LINE, "kind": self.kinds}
        only = fit((X, y), self.model, loss=self.losses, loss_weights={"box": 1.0, "kind": 0.0})
        alone = fit((X, LINE), self.body | ax.dense(1, name="b"))
        for name, tensor in alone.params.flat.items():
            np.testing.assert_allclose(only.params[name].numpy(), tensor.numpy(), rtol=1e-4, atol=1e-6)
        assert (only.params["k"]["kernel"].numpy() == self.model.init()["k"]["kernel"].numpy()).all()

    def test_axons_case_of_two_weighted_losses(self):
        a, b = ax.input((None, 1), name="a"), ax.input((None, 1), name="b")
        both = ax.outputs((a | ax.noop(), b | ax.noop()))
        ones, twos = np.ones((1, 1), "float32"), np.full((1, 1), 2, "float32")
        loop = ax.Loop.trainer(both, ("mean_squared_error", "mean_absolute_error"), loss_weights=(0.5, 0.5))
        assert loop.run(((ones, ones), (twos, twos))).history["loss"] == [1.0]

    @pytest.mark.parametrize(("options", "words"), [
        ({"loss": {"box": "mean_squared_error"}}, r"^the model has 2 outputs: box, kind\n  got: loss \{'box'"),
        ({"loss": ("hinge", "hinge", "hinge")}, "^the model has 2 outputs: box, kind\n  got: loss"),
        ({"loss_weights": (1.0,)}, "^the model has 2 outputs: box, kind\n  got: loss_weights"),
        ({"loss_weights": (0.0, 0.0)}, "^loss_weights are numbers of at least 0, and not all 0"),
        ({"class_weights": [1.0, 2.0]}, "^class_weights are for a model with one output"),
    ])  # fmt: skip
    def test_what_does_not_fit(self, options, words):
        with pytest.raises(AxonError, match=words):
            fit((X, (LINE, self.kinds)), self.model, **{"loss": self.losses, **options})

    def test_labels_for_one_output_only(self):
        with pytest.raises(DataError, match=r"^the labels are for 2 outputs: box, kind\n  got: ndarray\n  fix: fit"):
            fit((X, LINE), self.model, loss=self.losses)


def y_of(y, cut):
    return {name: value[cut] for name, value in y.items()}


def test_data_that_shrinks():
    def shrinking(epoch):
        return BATCHES[: 3 - epoch]

    words = r"^the data shrank: 2 batches in epoch 2, and 3 before\n  fix: look why .*\n  fix: steps_per_epoch=2 makes"
    with pytest.raises(DataError, match=words) as caught:
        fit(shrinking, epochs=3)
    assert caught.value.trained.params == fit(BATCHES, epochs=1).params
    assert fit(shrinking, epochs=2, steps_per_epoch=2).epochs == 2


def test_tensors_in_batches():
    batches = [(Tensor(x), Tensor(y)) for x, y in BATCHES]
    assert fit(batches).params == fit(BATCHES).params
