"""Edits of a builder by chance, for properties that hold whatever somebody does."""

from hypothesis import strategies as st

from axon_nb.errors import AxonError

LAYERS = st.sampled_from(["dense", "relu", "flatten", "dropout", "conv", "max_pool", "layer_norm", "add"])
KINDS = (
    "insert insert input before delete duplicate up down after set bias rename wrap several branch join text fix select"
)
STEPS = st.tuples(st.sampled_from(KINDS.split()), LAYERS, st.integers(0, 30), st.integers(0, 30))


def do(builder, step):
    """Make an edit; tell whether it could be made."""
    kind, layer, first, second = step
    names = builder.layers or ["none"]
    one, other = names[first % len(names)], names[second % len(names)]
    calls = {
        "insert": lambda: builder.insert(layer, after=one),
        "input": lambda: builder.insert("input", shape=(None, second + 1)),
        "before": lambda: builder.insert(layer, before=one),
        "delete": lambda: builder.delete(one),
        "duplicate": lambda: builder.duplicate(one),
        "up": lambda: builder.move(one, -1),
        "down": lambda: builder.move(one, 1),
        "after": lambda: builder.move(one, after=other),
        "set": lambda: builder.set(one, units=second + 1),
        "bias": lambda: builder.set(one, use_bias=second % 2 == 0),
        "rename": lambda: builder.rename(one, f"name {second}"),
        "wrap": lambda: builder.wrap(one),
        "several": lambda: builder.wrap(one, other),
        "branch": lambda: builder.branch(one, layer),
        "join": lambda: builder.join(one, other),
        "text": lambda: setattr(builder, "text", builder.text.replace("8", "9", 1)),
        "fix": lambda: builder.fix(0),
        "select": lambda: builder.select(one),
    }
    try:
        calls[kind]()
    except AxonError:
        return False
    return True
