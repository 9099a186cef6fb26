"""Random graphs, and graphs that are deep or wide, for every test that needs some."""

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import axon_nb as ax


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


def next_layer(draw, shape, used, *, custom=True):
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
    made = draw(st.sampled_from(makers))()
    used.append((shape[1:], made))
    return made


@st.composite
def models(draw, *, steps=22, custom=True):
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
            made.append(one | next_layer(draw, one.output_shape, used, custom=custom))
    ends = draw(st.lists(st.sampled_from(made[-6:]), min_size=1, max_size=3))
    return ends[0] if len(ends) == 1 else tuple(ends) | ax.noop()


def as_part(draw, model):
    """Put a part behind a model: a model with an input of its own, which checks what reaches it."""
    name = draw(st.sampled_from([None, "latent"]))
    part = ax.input((None, *model.output_shape[1:]), name=name) | ax.dense(3, draw(st.sampled_from([None, "relu"])))
    return model | ax.block(draw(st.sampled_from("pq")), part)


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
