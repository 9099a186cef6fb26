"""Graphs that nobody would write: shapes as planned, names unique, and no error but ours."""

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_graphs import examples, marked_models, models
from tinygrad import Tensor

import axon_nb as ax
from axon_nb.checks import dtype_name
from axon_nb.errors import AxonError
from axon_nb.forward import Values, forward, map_tensors
from axon_nb.graph import leaves, map_leaves
from axon_nb.trace import trace


@given(model=models(), batch=st.integers(1, 5), training=st.booleans())
@examples(60)
def test_planned_shapes_are_executed_shapes(model, batch, training):
    names = list(model.names.values())
    assert len(set(names)) == len(names)
    shapes = {model.names[n]: (batch, *n.options["shape"][1:]) for n in model.inputs}
    params = model.init(**shapes)
    assert {name: tensor.shape for name, tensor in params.flat.items()} == model.params
    values = Values({path: leaf.tensor for path, leaf in params.leaves.items()}, device="CPU")
    inputs = {node: Tensor.empty(*shapes[model.names[node]], device="CPU") for node in model.inputs}
    results = forward(model, values, inputs, training=training)
    planned = model.compute_output_shape(**shapes)
    several = isinstance(model.outputs, tuple)
    assert tuple(t.shape for t in results) == planned if several else results.shape == planned
    general = model.output_shape if several else (model.output_shape,)
    for shape, concrete in zip(general, planned if several else (planned,), strict=True):
        assert shape[0] in (None, "batch")
        assert shape[1:] == concrete[1:]
    assert len(list(leaves(model.outputs))) == (len(planned) if several else 1)


@given(model=marked_models(), training=st.booleans())
@examples(25)
def test_planned_is_executed_under_policies_and_with_nested_outputs(model, training):
    shapes = {model.names[n]: (3, *n.options["shape"][1:]) for n in model.inputs}
    params = model.init(**shapes)
    assert {name: tensor.shape for name, tensor in params.flat.items()} == model.params
    values = Values({path: leaf.tensor for path, leaf in params.leaves.items()}, device="CPU")
    inputs = {node: Tensor.empty(*shapes[model.names[node]], device="CPU") for node in model.inputs}
    traced = trace(model, shapes)
    planned = map_leaves(model.outputs, lambda node: (traced.nodes[node].shape, traced.nodes[node].dtype))
    results = forward(model, values, inputs, training=training)
    assert map_tensors(results, lambda t: (t.shape, dtype_name(t.dtype))) == planned


@given(model=models())
@examples(5)
def test_random_models_predict_the_same_alone_and_in_a_batch(model):
    rng = np.random.default_rng(0)
    x = {model.names[n]: rng.normal(size=(3, *n.options["shape"][1:])).astype("float32") for n in model.inputs}
    params = model.init()

    def results(x):
        y = model.apply(params, x, mode="inference")[0]
        return [t.numpy() for t in (y if isinstance(y, tuple) else (y,))]

    for whole, single in zip(results(x), results({name: value[:1] for name, value in x.items()}), strict=True):
        np.testing.assert_allclose(whole[:1], single, rtol=1e-3, atol=1e-4)


OURS = [
    ax.input((None, 4)), ax.input(("batch", 4), name="x"), ax.input((None, 3, 8)), ax.input(), ax.dense(4), ax.dense,
    ax.relu, ax.conv(2, 3), ax.conv, ax.add, ax.add(), ax.concatenate(axis=1), ax.residual(ax.dense(4)), ax.noop(),
    ax.dense(4, name="named"), ax.block("part", ax.dense(4)), ax.reshape((2, 2)), ax.embedding(3, 2),
    ax.input((None, 4), dtype="int32"), (ax.input((None, 4)) | ax.dense(4)).named("model"),
    ax.layer(lambda x, y: x + y)(), ax.layer(lambda x: (x, x), name="two"), ax.activation, ax.softmax(axis=1),
]  # fmt: skip
OTHERS = [
    3, None, "dense", 1.5, np.zeros((2, 4)), [], (), {}, {"a": 1}, int, len, ax.residual, ax.compose, ax.input, ax.noop,
    lambda x: x * 2, lambda: 3, [ax.dense(4)], {"a": ax.input((None, 4))}, object(), True, np.float32(2), b"x",
]  # fmt: skip
OPERATORS = [operator.or_, operator.add, operator.sub, operator.mul]


def ours(value):
    return any(value is one for one in OURS) or isinstance(value, ax.Model | ax.Layer)


def wire(draw):
    """Join things at random; whatever comes of it may be joined again."""
    pool = [*OURS, *OTHERS]
    for _ in range(draw(st.integers(1, 8))):
        left, right = draw(st.sampled_from(pool)), draw(st.sampled_from(pool))
        kind = draw(st.integers(0, 6))
        if kind == 5 and ours(left):
            made = left(*draw(st.lists(st.sampled_from(pool), max_size=3)))
        elif kind == 6 and ours(right):
            made = (left, right) | right
        elif ours(left) or ours(right):
            made = draw(st.sampled_from(OPERATORS))(left, right)
        else:
            continue
        pool += [made] * 5
        if isinstance(made, ax.Model):
            assert repr(made)
            _ = made.output_shape
            assert made.init().count >= 0


@given(data=st.data())
@examples(300)
def test_bad_wirings_raise_our_errors_only(data):
    try:
        wire(data.draw)
    except AxonError as error:
        message = str(error)
    else:
        return
    assert message
    assert "Traceback" not in message


def test_the_pools_hold_what_makes_sense_and_what_does_not():
    with pytest.raises(AxonError, match=r"an int is not a layer"):
        OURS[4] | OTHERS[0]
    assert ((OURS[0], OURS[0]) | OURS[10]).output_shape == (None, 4)
