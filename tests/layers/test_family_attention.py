"""Attention and positions: PyTorch's values and gradients, masks that leave nothing, formulas, shapes, errors."""

from __future__ import annotations

import numpy as np
import pytest
from tinygrad import Tensor

import axon_nb as ax
from axon_nb import (
    functional,
    input,
    learned_positions,
    multi_head_attention,
    rotary_positions,
    scaled_dot_product_attention,
    sinusoidal_positions,
    swiglu,
)
from axon_nb.errors import GraphError, ShapeError


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, *shape)).normal(size=shape).astype(np.float32)


def close(got: Tensor | np.ndarray, expected: np.ndarray, tol: float = 1e-4) -> None:
    np.testing.assert_allclose(got.numpy() if isinstance(got, Tensor) else got, expected, rtol=tol, atol=tol)


def beside(function, other, arrays: dict[str, np.ndarray]) -> None:
    """Check values and all gradients of a function against PyTorch's."""
    torch = pytest.importorskip("torch")
    ours = {name: Tensor(value) for name, value in arrays.items()}
    theirs = {name: torch.tensor(value, requires_grad=True) for name, value in arrays.items()}
    y, z = function(**ours), other(**theirs)
    (z * z * z).sum().backward()
    found = (y * y * y).sum().gradient(*ours.values())
    Tensor.realize(y, *found)
    close(y, z.detach().numpy())
    for name, gradient in zip(ours, found, strict=True):
        expected = theirs[name].grad.numpy()
        assert np.isfinite(expected).all()
        np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-4, atol=1e-4, err_msg=name)


# -- scaled dot-product attention

SEEN = np.random.default_rng(1).random((2, 3, 4, 5)) > 0.4
SEEN[1, 2, 3] = False  # a query that may see no key
ADDED = np.where(SEEN, numbers(2, 3, 4, 5, seed=9), -np.inf).astype(np.float32)


def qkv(queries: int = 4, keys: int = 5) -> dict[str, np.ndarray]:
    return {
        "query": numbers(2, 3, queries, 6),
        "key": numbers(2, 3, keys, 6, seed=1),
        "value": numbers(2, 3, keys, 7, seed=2),
    }


@pytest.mark.parametrize(
    "options",
    [
        {"mask": SEEN},
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"mask": ADDED}, marks=pytest.mark.slow),
        pytest.param({"causal": True}, marks=pytest.mark.slow),
        pytest.param({"mask": SEEN, "scale": 0.3}, marks=pytest.mark.slow),
    ],
    ids=["seen", "bare", "added", "causal", "scaled"],
)
def test_scaled_dot_product_attention_same_as_torch(options):
    torch = pytest.importorskip("torch")
    mask = options.get("mask")
    ours = {**options, **({} if mask is None else {"mask": Tensor(mask)})}
    theirs = {
        "attn_mask": None if mask is None else torch.tensor(mask),
        "is_causal": options.get("causal", False),
        "scale": options.get("scale"),
    }
    beside(
        lambda **t: functional.scaled_dot_product_attention(**t, **ours),
        lambda **t: torch.nn.functional.scaled_dot_product_attention(**t, **theirs),
        qkv(),
    )


def test_a_query_that_may_see_nothing_gets_zeros_and_finite_gradients():
    t = [Tensor(value) for value in qkv().values()]
    y = functional.scaled_dot_product_attention(*t, Tensor(SEEN) & False)
    found = y.sum().gradient(*t)
    Tensor.realize(y, *found)
    assert not y.numpy().any()
    assert all(np.isfinite(one.numpy()).all() for one in found)


def test_large_scores_stay_finite():
    t = {name: Tensor(value * 1e4) for name, value in qkv().items()}
    y = functional.scaled_dot_product_attention(**t, mask=Tensor(SEEN))
    assert np.isfinite(y.numpy()).all()


def test_causal_and_mask_together():
    t = {name: Tensor(value) for name, value in qkv().items()}
    both = Tensor(SEEN & np.tril(np.ones((4, 5), bool)))
    close(
        functional.scaled_dot_product_attention(**t, mask=Tensor(SEEN), causal=True),
        functional.scaled_dot_product_attention(**t, mask=both).numpy(),
    )


def test_half_precision_stays_and_its_softmax_is_in_single():
    t = {name: Tensor(value).cast("float16") for name, value in qkv().items()}
    y = functional.scaled_dot_product_attention(**t, mask=Tensor(SEEN))
    assert str(y.dtype) == "dtypes.half"
    close(y.cast("float32"), functional.scaled_dot_product_attention(**{n: Tensor(v) for n, v in qkv().items()},
                                                                     mask=Tensor(SEEN)).numpy(), tol=1e-2)  # fmt: skip


# -- several heads

NAMES = ("query", "key", "value")


def torch_heads(arrays: dict[str, np.ndarray], heads: int, mask, padding, causal):
    """PyTorch's layer with the same weights; it takes the three kernels as one and masks turned around."""
    torch = pytest.importorskip("torch")
    units = arrays["query_kernel"].shape[1]
    module = torch.nn.MultiheadAttention(units, heads, batch_first=True)

    def run(**t):
        memory = t.get("memory", t["x"])
        weights = {
            "in_proj_weight": torch.cat([t[f"{name}_kernel"].T for name in NAMES]),
            "in_proj_bias": torch.cat([t[f"{name}_bias"] for name in NAMES]),
            "out_proj.weight": t["output_kernel"].T,
            "out_proj.bias": t["output_bias"],
        }
        hidden = torch.triu(torch.ones(t["x"].shape[1], memory.shape[1], dtype=torch.bool), 1) if causal else None
        if mask is not None:
            hidden = ~torch.tensor(mask).repeat_interleave(heads, 0)
        options = {
            "attn_mask": hidden,
            "key_padding_mask": None if padding is None else ~torch.tensor(padding),
            "need_weights": False,
        }
        return torch.func.functional_call(module, weights, (t["x"], memory, memory), options)[0]

    return run


class Given(ax.Scope):
    """A scope whose parameters are given."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        super().__init__(training=False)
        self.tensors = tensors

    def param(self, name, shape, initializer="glorot_uniform", dtype="float32"):
        assert tuple(self.tensors[name].shape) == tuple(shape)
        return self.tensors[name]

    state = update = random = None


Given.__abstractmethods__ = frozenset()

PADDING = np.array([[True, True, True, False, False], [True, True, True, True, True]])
SQUARE = np.random.default_rng(3).random((2, 5, 5)) > 0.3
SQUARE[:, :, 0] = True


@pytest.mark.parametrize(
    ("memory", "options"),
    [
        (5, {"padding": PADDING}),
        pytest.param(None, {}, marks=pytest.mark.slow),
        pytest.param(None, {"causal": True}, marks=pytest.mark.slow),
        pytest.param(None, {"mask": SQUARE}, marks=pytest.mark.slow),
    ],
    ids=["cross-padded", "self", "causal", "masked"],
)
def test_multi_head_attention_same_as_torch(memory, options):
    units = 8
    arrays = {"x": numbers(2, 5 if memory is None else 3, units)}
    if memory:
        arrays["memory"] = numbers(2, memory, units, seed=4)
    for seed, name in enumerate((*NAMES, "output")):
        arrays[f"{name}_kernel"] = numbers(units, units, seed=10 + seed) * 0.5
        arrays[f"{name}_bias"] = numbers(units, seed=20 + seed)
    mask, padding, causal = (options.get(name) for name in ("mask", "padding", "causal"))
    marks = mask if mask is not None else padding

    def ours(**t):
        other = t.get("memory", t["x"])
        inputs = (t["x"], other, other, Tensor(marks)) if marks is not None else (t["x"], other)[: 2 if memory else 1]
        function = multi_head_attention.function
        named = dict(zip(("key", "value", "mask"), inputs[1:], strict=False))
        return function(Given(t), t["x"], **named, heads=4, causal=bool(causal))

    beside(ours, torch_heads(arrays, 4, mask, padding, causal), arrays)


@pytest.mark.parametrize("kv_heads", [2, pytest.param(1, marks=pytest.mark.slow)])
def test_heads_that_share_keys_and_values_are_pytorchs(kv_heads):
    torch = pytest.importorskip("torch")
    heads, depth = 4, 3

    def ours(query, key, value):
        return functional.multi_head_attention(query, key, value, heads=heads, kv_heads=kv_heads, causal=True)

    def theirs(**t):
        apart = (one.unflatten(-1, (-1, depth)).transpose(1, 2) for one in t.values())
        found = torch.nn.functional.scaled_dot_product_attention(*apart, is_causal=True, enable_gqa=True)
        return found.transpose(1, 2).flatten(2)

    arrays = {name: numbers(2, 5, (heads if name == "query" else kv_heads) * depth, seed=n)
              for n, name in enumerate(NAMES)}  # fmt: skip
    beside(ours, theirs, arrays)


def test_a_layer_whose_heads_share_keys_and_values():
    model = input((None, "time", 8)) | multi_head_attention(heads=4, kv_heads=2, rotary=True, name="it")
    assert model.output_shape == (None, "time", 8)
    assert {name: shape for name, shape in model.params.items() if "kernel" in name} == {
        "it.query_kernel": (8, 8), "it.key_kernel": (8, 4), "it.value_kernel": (8, 4), "it.output_kernel": (8, 8)
    }  # fmt: skip
    weights, x = model.init(seed=1), numbers(2, 5, 8)
    every = input((None, "time", 8)) | multi_head_attention(heads=4, rotary=True, name="it")

    def as_every(path, leaf):
        if path[-1].split("_")[0] not in ("key", "value"):
            return leaf.tensor
        return Tensor(leaf.tensor.numpy().reshape(-1, 2, 2).repeat(2, axis=1).reshape(*leaf.tensor.shape[:-1], 8))

    close(model.predict(weights, x), every.predict(weights.map(as_every), x))


def test_shapes_of_heads():
    x, memory = input((None, "time", 12)), input((None, "places", 7))
    assert (x | multi_head_attention(heads=3)).output_shape == (None, "time", 12)
    assert ((x, memory) | multi_head_attention(heads=3)).output_shape == (None, "time", 12)
    made = multi_head_attention(x, memory, memory, heads=5, key_units=4, units=6, use_bias=False, name="it")
    assert made.output_shape == (None, "time", 6)
    assert made.params == {
        "it.query_kernel": (12, 20), "it.key_kernel": (7, 20), "it.value_kernel": (7, 20), "it.output_kernel": (20, 6)
    }  # fmt: skip


def test_a_mask_over_keys_is_an_input():
    model = multi_head_attention(
        *[input((None, 5, 8), name="x")] * 3, input((None, 5), dtype="bool", name="real"), heads=2
    )
    weights, x = model.init(), numbers(2, 5, 8)
    shorter = x.copy()
    shorter[0, 3:] = 7  # what is behind the mask does not matter
    y, z = (model.predict(weights, {"x": one, "real": PADDING}) for one in (x, shorter))
    close(y[0, :3], z[0, :3], tol=1e-6)
    assert abs(y[0, 3:] - z[0, 3:]).max() > 0.01


def test_dropout_of_weights_is_there_in_training_only():
    model = input((None, 6, 8)) | multi_head_attention(heads=2, rate=0.5)
    weights, x = model.init(), numbers(2, 6, 8)
    y, again = model.predict(weights, x), model.predict(weights, x)
    close(y, again, tol=0)
    trained, _ = model.apply(weights, x, mode="train", seed=1)
    assert abs(trained.numpy() - y).max() > 0.01


@pytest.mark.parametrize("rotary", [False, True])
def test_the_order_of_places_matters_to_rotary_heads_only(rotary):
    model = input((None, "time", 8)) | multi_head_attention(heads=2, rotary=rotary)
    weights, x = model.init(), numbers(1, 3, 8)
    moved = x[:, [1, 0, 2]]
    change = abs(model.predict(weights, moved)[:, 2] - model.predict(weights, x)[:, 2]).max()
    assert (change > 1e-3) if rotary else (change < 1e-5)


# -- positions


def test_sinusoidal_positions_are_the_paper_s():
    table = np.zeros((5, 7), np.float32)
    for place in range(5):
        for feature in range(7):
            angle = place / 10000 ** (2 * (feature // 2) / 7)
            table[place, feature] = np.cos(angle) if feature % 2 else np.sin(angle)
    x = numbers(2, 5, 7)
    close(functional.sinusoidal_positions(Tensor(x)), x + table, tol=1e-5)


def turned(x: np.ndarray, pairs: str, base: float = 10000.0) -> np.ndarray:
    """The paper's rotation, as complex numbers."""
    time, units = x.shape[-2:]
    first, second = (x[..., : units // 2], x[..., units // 2 :]) if pairs == "halves" else (x[..., 0::2], x[..., 1::2])
    angles = np.arange(time)[:, None] / base ** (2 * np.arange(units // 2) / units)
    z = (first + 1j * second) * np.exp(1j * angles)
    if pairs == "halves":
        return np.concatenate([z.real, z.imag], axis=-1)
    return np.stack([z.real, z.imag], axis=-1).reshape(x.shape)


@pytest.mark.parametrize("pairs", ["halves", "neighbours"])
def test_rotary_positions_turn_pairs(pairs):
    x = numbers(2, 5, 6)
    close(functional.rotary_positions(Tensor(x), pairs=pairs), turned(x, pairs), tol=1e-5)
    two = functional.rotary_positions(Tensor(np.concatenate([x, x * 2], axis=-1)), heads=2, pairs=pairs)
    close(two, np.concatenate([turned(x, pairs), turned(x * 2, pairs)], axis=-1), tol=1e-5)


@pytest.mark.parametrize("pairs", ["halves", "neighbours"])
def test_rotary_products_depend_on_distances_only(pairs):
    query, key = (np.broadcast_to(numbers(1, 8, seed=n), (6, 8)) for n in (1, 2))
    turned_query, turned_key = (functional.rotary_positions(Tensor(one.copy()), pairs=pairs) for one in (query, key))
    products = (turned_query @ turned_key.transpose(0, 1)).numpy()
    close(products[1:, 1:], products[:-1, :-1])
    assert abs(products[0, 0] - products[0, 3]) > 0.01


def test_learned_positions():
    model = input((None, "time", 4)) | learned_positions(600, name="it")
    assert model.output_shape == (None, "time", 4)
    assert model.params == {"it.kernel": (600, 4)}
    short = input((None, "time", 4)) | learned_positions(3, name="it")
    weights, x = short.init(), numbers(2, 3, 4)
    close(short.predict(weights, x[:, :2]), x[:, :2] + weights["it"]["kernel"].numpy()[:2], tol=1e-6)
    with pytest.raises(ShapeError, match=r"learned_positions 'it'.*the input has 4 places and the table 3"):
        short.predict(weights, numbers(1, 4, 4))


# -- feed-forward


@pytest.mark.parametrize("activation", ["silu", "sigmoid"])
def test_swiglu_same_as_torch(activation):
    torch = pytest.importorskip("torch")
    function = {"silu": torch.nn.functional.silu, "sigmoid": torch.sigmoid}[activation]
    arrays = {
        "x": numbers(2, 3, 4),
        "kernel": numbers(4, 6, seed=1),
        "gate_kernel": numbers(4, 6, seed=2),
        "output_kernel": numbers(6, 4, seed=3),
    }

    def ours(**t):
        return swiglu.function(Given(t), t["x"], 6, activation=activation)

    def theirs(x, kernel, gate_kernel, output_kernel):
        return (function(x @ gate_kernel) * (x @ kernel)) @ output_kernel

    beside(ours, theirs, arrays)


def test_shapes_of_feed_forward():
    made = input((None, "time", 4)) | swiglu(8, 5, use_bias=True, name="it")
    assert made.output_shape == (None, "time", 5)
    assert made.params == {
        "it.kernel": (4, 8), "it.gate_kernel": (4, 8), "it.output_kernel": (8, 5),
        "it.bias": (8,), "it.gate_bias": (8,), "it.output_bias": (5,),
    }  # fmt: skip


def test_a_transformer_traces_with_an_unknown_length():
    x = input((None, "time"), dtype="int32") | ax.embedding(100, 16) | sinusoidal_positions()
    model = x | ax.residual(multi_head_attention(heads=4, causal=True)) | ax.residual(swiglu(32))
    assert model.output_shape == (None, "time", 16)
    assert (input((None, "time", 16)) | rotary_positions(heads=2)).output_shape == (None, "time", 16)
    q, kv = input((None, "heads", "time", 16)), input((None, "heads", "places", 16))
    assert ((q, kv, kv) | scaled_dot_product_attention(causal=True)).output_shape == (None, "heads", "time", 16)


# -- what goes wrong


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda x: x | multi_head_attention(heads=5), ShapeError, "heads=5 does not divide the 8 features"),
        (
            lambda x: x | multi_head_attention(heads=4, kv_heads=3),
            ShapeError,
            "kv_heads=3 does not divide heads=4\n  got: .*\n  fix: kv_heads=2",
        ),
        (lambda x: input((None, 8)) | multi_head_attention(heads=2), ShapeError, "needs 3 axes, with the batch first"),
        (lambda x: (x, x, x, x, x) | multi_head_attention(heads=2), GraphError, "takes 1 to 4 inputs and got 5"),
        (lambda x: (x, input((None, 5, 6))) | scaled_dot_product_attention(), ShapeError, "8 features and keys 6"),
        (lambda x: (x, x, input((None, 4, 8))) | scaled_dot_product_attention(), ShapeError, "5 keys and 4 values"),
        (lambda x: (x, x, x, input((None, 4))) | multi_head_attention(heads=2), ShapeError, "for 5 queries and 5 keys"),
        (lambda x: input((None, 5, 7)) | rotary_positions(), ShapeError, "needs an even number of features"),
        (lambda x: x | rotary_positions(heads=8), ShapeError, "for each of 8 heads, and got 8 in all"),
        (
            lambda x: input((None, 5), dtype="int32") | sinusoidal_positions(),
            ShapeError,
            "needs floating-point numbers",
        ),
    ],
)
def test_errors(build, error, message):
    with pytest.raises(error, match=message):
        _ = build(input((None, 5, 8))).output_shape
