"""Surgery on graphs that nobody would write: doing nothing is nothing, parts compute what the whole computes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from test_random_graphs import examples, models

import axon_nb as ax
from axon_nb.errors import AxonError
from axon_nb.graph import leaves


def data_for(model, batch=2):
    rng = np.random.default_rng(0)
    return {model.names[n]: rng.normal(size=(batch, *n.options["shape"][1:])).astype("float32") for n in model.inputs}


@given(model=models())
@examples(60)
def test_changing_nothing_is_the_same_model(model):
    assert model.rewrite(lambda node: None) is model
    assert model.rewrite(lambda node, *inputs: node.layer) is model
    assert model.map_nodes(lambda node: {}).params == model.params
    assert model.rename({}) is model
    assert model.upto(*leaves(model.outputs)).params == model.params


@given(model=models())
@examples(40)
def test_a_rewrite_that_builds_the_same_again_keeps_all_names(model):
    again = model.rewrite(lambda node, *inputs: (inputs if len(inputs) > 1 else inputs[0]) | node.layer)
    assert list(again.names.values()) == list(model.names.values())
    assert [n.layer for n in again.nodes if not n.is_pick] == [n.layer for n in model.nodes if not n.is_pick]
    assert again.params == model.params


@given(model=models(), data=st.data())
@examples(60)
def test_unfreeze_undoes_freeze(model, data):
    names = [name for name, node in zip(model.names.values(), model.nodes, strict=True) if not node.is_input]
    before = model.freeze(data.draw(st.sampled_from(names))) if names and data.draw(st.booleans()) else model
    free = [n for n in names if all(rules == () for rules in [before.find(n).frozen])]
    for name in free[:4]:
        again = before.freeze(name).unfreeze(name)
        assert [n.frozen for n in again.nodes] == [n.frozen for n in before.nodes]
    assert all(n.frozen == () for n in before.freeze().unfreeze().nodes)
    assert before.freeze().init().trainable.count == 0
    assert list(before.names.values()) == list(model.names.values())


@given(model=models(), data=st.data())
@examples(6)
def test_up_to_any_node_gives_what_the_whole_has_there(model, data):
    node = data.draw(st.sampled_from([n for n in model.nodes if not n.is_input] or model.nodes))
    params, x = model.init(), data_for(model)
    seen = []
    watched = model.hook(node, lambda y: seen.append([t.numpy() for t in (y if isinstance(y, tuple) else (y,))]))
    watched.apply(params, x, mode="inference")
    part = model.upto(node)
    assert part.params.items() <= model.params.items()
    needed = [part.names[n] for n in part.inputs]
    alone = part.apply(params, {name: value for name, value in x.items() if name in needed}, mode="inference")[0]
    for mine, whole in zip(alone if isinstance(alone, tuple) else (alone,), seen[0], strict=True):
        np.testing.assert_allclose(mine.numpy(), whole, rtol=1e-5, atol=1e-6)


STEPS = {
    "replace": lambda model, one, new: model.replace(one, new),
    "pop": lambda model, one, new: model.pop(one),
    "upto": lambda model, one, new: model.upto(one),
    "after": lambda model, one, new: model.after(one),
    "freeze": lambda model, one, new: model.freeze(one),
    "unfreeze": lambda model, one, new: model.unfreeze(one),
    "rename": lambda model, one, new: model.rename({one: "dense_1"}),
    "rewrite": lambda model, one, new: model.rewrite(lambda node: new if node.op == "dense" else None),
    "hook": lambda model, one, new: model.hook(one, print, on="initialize"),
}


def operate(data, model):
    """Take steps at random, on what came of the ones before."""
    for _ in range(data.draw(st.integers(1, 4))):
        names = [*model.names.values(), "dense", "a", "a.*", "*", "nothing", "dense_0.kernel", ""]
        what = data.draw(st.sampled_from([*names, ax.dense, 3, None, -1, lambda node: node.op == "dense"]))
        new = data.draw(
            st.sampled_from([ax.relu(), ax.dense(4), ax.input((None, 4)), ax.flatten() | ax.dense(3), 3, {}])
        )
        model = STEPS[data.draw(st.sampled_from(list(STEPS)))](model, what, new)
        names = list(model.names.values())
        assert len(set(names)) == len(names)
        assert len(list(leaves(model.outputs))) >= 1
        _ = model.output_shape


@given(model=models(), data=st.data())
@examples(100)
def test_nothing_but_our_errors(model, data):
    try:
        operate(data, model)
    except AxonError as error:
        message = str(error)
    else:
        return
    assert message
    assert "Traceback" not in message
