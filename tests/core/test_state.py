"""State moves exactly once for each time that its layer is applied in a training step, however models are written."""

import numpy as np
import pytest

import axon_nb as ax

X, Y = ax.input((None, 4), name="x"), ax.input((None, 4), name="y")
RNG = np.random.default_rng(0)
ONE, TWO = (RNG.normal(size=(6, 4)).astype("float32") for _ in range(2))
SEQUENCE = RNG.normal(size=(6, 3, 4)).astype("float32")
STEPS = ax.input((None, 3, 4), name="x")


def norm():
    return ax.batch_norm(momentum=0.5)


def moved(*batches, start=0.0):
    """Return the running mean after these batches."""
    for batch in batches:
        start = 0.5 * start + 0.5 * batch.mean(0)
    return start


@ax.model
def normed(features):
    return features | norm() | ax.relu()


def three_readers(h):
    return ax.outputs(a=h, b=(h, h | ax.relu()))


def through_time(step):
    return STEPS | ax.scan(ax.parallel(step, ax.noop()) | ax.add(), state=4)


WAYS = {
    "cond, taken": lambda n: X | ax.cond(lambda x: (x * 0).sum() == 0, n, ax.noop()),
    "cond, not taken": lambda n: X | ax.cond(lambda x: (x * 0).sum() != 0, n, ax.noop()),
    "cond of models": lambda n: ax.cond(X | (lambda x: x.sum(1) > 0), X | n, X),
    "cond of a part": lambda n: X | ax.cond(lambda x: x.sum(1) > 0, ax.input((None, 4)) | n, ax.noop()),
    "or_else": lambda n: ax.or_else(X | n, X),
    "several outputs": lambda n: three_readers(X | n),
    "split after it": lambda n: X | n | ax.split(2) | ax.concatenate(),
    "blocks and residuals": lambda n: X | ax.residual(ax.block("a", ax.residual(n), ax.block("b", ax.relu()))),
    "compose": lambda n: ax.compose(a=X | ax.noop() | (lambda x: x), b=ax.input((None, 4)) | n),
    "a model by a function": lambda n: X | normed(),
    "a branch by a tuple": lambda n: X | (n, ax.relu(), ax.noop()) | ax.add(),
    "a layer of layers": lambda n: X | ax.layer(lambda scope, x: scope.apply(n, x), name="outer")(),
    "up to it": lambda n: (X | n | ax.dense(3)).upto("batch_norm_0"),
    "rewritten": lambda n: (X | n).rewrite(lambda node: node.layer | ax.residual(ax.relu())),
    "watched": lambda n: (X | n).hook("batch_norm_0", lambda y: y * 1),
    "frozen": lambda n: (X | ax.residual(n)).freeze(),
}
TWICE = {
    "two branches": lambda n: ax.add(X | n, Y | n),
    "siamese": lambda n: (X, Y) | ax.siamese(n, ax.subtract()),
    "map_list": lambda n: (X, Y) | ax.map_list(n),
    "a part": lambda n: (lambda part: ax.add(part(X), part(Y)))((ax.input((None, 4)) | n).named("part")),
    "a block": lambda n: (lambda part: ax.add(X | part, Y | part))(ax.block("part", n, ax.relu())),
    "a layer of layers": lambda n: ax.layer(lambda scope, x, y: scope.apply(n, x) + scope.apply(n, y))()(X, Y),
}


def mean_after(model, data):
    _, after = model.apply(model.init(), data)
    (mean,) = (tensor.numpy() for name, tensor in after.state.flat.items() if name.endswith("mean"))
    return mean


@pytest.mark.parametrize("way", WAYS)
def test_a_batch_norm_on_any_branch_moves_once(way):
    np.testing.assert_allclose(mean_after(WAYS[way](norm()), ONE), moved(ONE), atol=1e-6)


@pytest.mark.parametrize("way", TWICE)
def test_one_that_is_applied_twice_sees_both_batches_in_turn_as_in_pytorch(way):
    np.testing.assert_allclose(mean_after(TWICE[way](norm()), {"x": ONE, "y": TWO}), moved(ONE, TWO), atol=1e-6)


def test_one_in_a_step_through_time_sees_each_place_in_turn():
    expected = moved(*(SEQUENCE[:, place] for place in range(3)))
    np.testing.assert_allclose(mean_after(through_time(norm()), SEQUENCE), expected, atol=1e-6)


def test_a_part_of_the_features():
    model = X | ax.split(2) | ax.parallel(norm(), ax.noop()) | ax.concatenate()
    np.testing.assert_allclose(mean_after(model, ONE), moved(ONE)[:2], atol=1e-6)


@pytest.mark.parametrize("way", ["blocks and residuals", "several outputs", "cond, not taken"])
def test_so_it_does_in_fit_which_also_validates(way):
    model = WAYS[way](norm())
    head = (model["a"] if way == "several outputs" else model) | ax.dense(1)
    target = np.zeros((6, 1), "float32")
    trained = head.fit(
        (ONE, target), loss="mean_squared_error", epochs=3, batch_size=6, validation=(TWO, target),
        metrics=["mean_absolute_error"],
    )  # fmt: skip
    (mean,) = (tensor.numpy() for name, tensor in trained.params.state.flat.items() if name.endswith("mean"))
    np.testing.assert_allclose(mean, moved(ONE, ONE, ONE), atol=1e-5)
    trained.predict(TWO)
    (after,) = (tensor.numpy() for name, tensor in trained.params.state.flat.items() if name.endswith("mean"))
    np.testing.assert_array_equal(after, mean)


def test_dropout_in_blocks_draws_anew_for_each_use_and_step():
    shared = ax.dropout(0.5)
    model = X | ax.block("a", ax.block("b", ax.tuplify(shared, shared)))
    ones = np.ones((64, 4), "float32")
    (one, two), _ = model.apply(model.init(), ones, seed=1)
    (other, _), _ = model.apply(model.init(), ones, seed=2)
    assert {*np.unique(one.numpy())} == {0.0, 2.0}
    assert (one.numpy() != two.numpy()).any()
    assert (one.numpy() != other.numpy()).any()
