"""Random graphs, and graphs that are deep or wide, for every test that needs some."""

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import axon_nb as ax
from axon_nb.graph import Node


def examples(count):
    return settings(
        max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
    )


def joined(draw, models):
    """Join models of one shape, or models of rank 2 of any width."""
    first = draw(st.sampled_from(models))
    alike = [m for m in models if m.output_shape == first.output_shape]
    if draw(st.booleans()) or len(first.output_shape) > 2:
        return draw(st.sampled_from([ax.add, ax.subtract, ax.multiply]))(first, draw(st.sampled_from(alike)))
    flat = [m for m in models if len(m.output_shape) == 2]
    return ax.concatenate(first, *draw(st.lists(st.sampled_from(flat), max_size=3)))


def next_layer(draw, shape, used, *, custom=True, scans=True):
    """Choose a layer that fits a shape: a new one, or one used before on the same shape."""
    known = [layer for width, layer in used if width == shape[1:]]
    if known and draw(st.integers(0, 2)) == 0:
        return draw(st.sampled_from(known))
    size = int(np.prod(shape[1:]))
    units = st.integers(1, 12)
    makers = [
        lambda: ax.dense(draw(units), draw(st.sampled_from([None, "relu", ax.tanh]))),
        lambda: draw(st.sampled_from([ax.relu, ax.sigmoid, ax.softmax, ax.gelu, ax.flatten, ax.noop, ax.batch_norm]))(),
        lambda: ax.dropout(draw(st.sampled_from([0, 0.5]))),
        lambda: ax.residual(ax.dense(shape[-1]) | ax.relu),
        lambda: ax.block(draw(st.sampled_from("abc")), ax.dense(draw(units)), ax.relu),
        lambda: ax.reshape((-1, draw(st.sampled_from([d for d in (1, 2, 3, 4) if size % d == 0])))),
    ]
    if custom:
        makers.append(lambda: lambda x: x * 2)
    if len(shape) == 3:
        kernel = draw(st.integers(1, shape[2]))
        padding = draw(st.sampled_from(["valid", "same", 1]))
        makers += [
            lambda: ax.conv(draw(units), kernel, draw(st.integers(1, 3)), padding),
            lambda: ax.max_pool(kernel, draw(st.integers(1, 3)), padding),
            lambda: ax.avg_pool(kernel, padding="same"),
            lambda: ax.global_avg_pool(),
        ]
    if len(shape) == 3 and scans:
        makers += [
            lambda: ax.scan(ax.concatenate() | ax.dense(2, "tanh"), state=2),
            lambda: ax.scan(ax.concatenate() | ax.residual(ax.dense(shape[2] + 2)) | ax.dense(2), state=2),
        ]
    made = draw(st.sampled_from(makers))()
    used.append((shape[1:], made))
    return made


@st.composite
def models(draw, *, steps=22, custom=True, scans=True):
    shapes = st.sampled_from([(None, 4), (None, 6), (None, 3, 8), ("batch", 2, 5)])
    made = [ax.input(draw(shapes)) for _ in range(draw(st.integers(1, 3)))]
    used = []
    for _ in range(draw(st.integers(1, steps))):
        kind = draw(st.integers(0, 11))
        if kind < 3:
            made.append(joined(draw, made))
            continue
        one = draw(st.sampled_from(made))
        if kind == 3:
            made.append(as_part(draw, one))
        elif kind == 4 and len(one.output_shape) == 3:
            made += list(one | ax.gru(draw(st.integers(1, 4)), return_state=True))
        else:
            made.append(one | next_layer(draw, one.output_shape, used, custom=custom, scans=scans))
    ends = draw(st.lists(st.sampled_from(made[-6:]), min_size=1, max_size=3))
    return ends[0] if len(ends) == 1 else tuple(ends) | ax.noop()


def as_part(draw, model):
    """Put a part behind a model: a model with an input of its own, which checks what reaches it."""
    name = draw(st.sampled_from([None, "latent"]))
    part = ax.input((None, *model.output_shape[1:]), name=name) | ax.dense(3, draw(st.sampled_from([None, "relu"])))
    return model | ax.block(draw(st.sampled_from("pq")), part)


@ax.model
def head(features, extra: (None, 3), width=2):
    """A model made by a function, with a block and an input whose shape is declared."""
    return ax.concatenate(features | ax.flatten() | ax.block("inner", ax.dense(width), ax.tanh), extra)


def watch(tensor):
    """Look on."""


def halve(tensor, name):
    """Change what goes through, whichever layer it is."""
    return tuple(one * 0.5 for one in tensor) if isinstance(tensor, tuple) else tensor * 0.5


WATCHERS = {"watch": watch, "halve": halve}
POLICIES = [
    ax.policies.mixed_float16, ax.policies.bfloat16, ax.policies.Policy(compute="f16"),
    ax.policies.Policy(params="bf16", output="f32"),
]  # fmt: skip
NESTINGS = [
    lambda a, b: a,
    lambda a, b: (a, (b, (a,))),
    lambda a, b: {"first": a, "second": {"x y": b, "0": (a, b)}},
    lambda a, b: ({"only": b},),
]


@st.composite
def marked_models(draw, **options):
    """Draw models with all that a model may have besides its layers: what is frozen, policies, hooks, a name ...

    Outputs are nested, inputs may be left out, and a part is made by a function.
    """
    made = draw(models(**options))
    ends = [made] if isinstance(made.outputs, Node) else list(made)
    if draw(st.booleans()):
        other = ax.input(ends[0].output_shape, name="other", optional=True)
        ends.append(ax.or_else(other, ends[0]))
    if draw(st.booleans()):
        width = draw(st.sampled_from([1, 2, 5]))
        ends.append(head(width=width)(ends[-1], ax.input((None, 3), name="extra")))
    nested = draw(st.sampled_from(NESTINGS))(ends[-1], draw(st.sampled_from(ends)))
    model = nested if isinstance(nested, ax.Model) else ax.outputs(nested)
    names = list(model.names.values())
    chosen = st.lists(st.sampled_from(names), min_size=1, max_size=3)
    for _ in range(draw(st.integers(0, 2))):
        model = model.apply_policy(draw(st.sampled_from(POLICIES)), only=draw(st.none() | chosen))
    layers = [name for name, node in zip(names, model.nodes, strict=True) if not node.is_input]
    parameters = list(model.params)
    for _ in range(draw(st.integers(0, 3)) if parameters else 0):
        change = draw(st.sampled_from([ax.Model.freeze, ax.Model.freeze, ax.Model.unfreeze]))
        model = change(model, draw(st.sampled_from([*layers, *parameters, None])))
    for _ in range(draw(st.integers(0, 2))):
        when = draw(st.sampled_from(["train", "inference", "both"]))
        on = draw(st.sampled_from(["forward", "pre_forward"]))
        watcher = draw(st.sampled_from([watch, watch, halve]))
        model = model.hook(draw(chosen), watcher, on, when, compiled=draw(st.booleans()))
    return model.named("net") if draw(st.booleans()) else model


def deep(count=1000):
    """Make a chain of so many layers."""
    model = ax.input((None, 4), name="x")
    for _ in range(count):
        model = model | ax.relu()
    return model


def wide(count=300):
    """Make so many branches on one input, joined again."""
    x = ax.input((None, 4), name="x")
    return ax.concatenate(*(x | ax.dense(2) | ax.relu() for _ in range(count)))
