"""Recurrent layers: Axon's numbers, PyTorch's values and gradients, masks, both directions, and long sequences."""

from __future__ import annotations

import json

import numpy as np
import pytest
from axon_cases.runner import _called, check, load, params
from tinygrad import Tensor
from tinygrad.uop.ops import Ops, UOp

import axon_nb as ax
from axon_nb import bidirectional, concatenate, conv_lstm, dense, gru, input, lstm, reverse, rnn
from axon_nb.errors import GraphError, OptionError, ShapeError
from axon_nb.functional import conv_lstm as run_conv_lstm
from axon_nb.functional import conv_lstm_cell, gru_cell, lstm_cell, rnn_cell
from axon_nb.functional import gru as run_gru
from axon_nb.functional import lstm as run_lstm
from axon_nb.functional import rnn as run_rnn
from axon_nb.functional.steps import _OVER_AN_AXIS
from axon_nb.options import activations

RUN = {"rnn": run_rnn, "lstm": run_lstm, "gru": run_gru}
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
STATES = {"rnn": 1, "lstm": 2, "gru": 1}


def numbers(*shape: int, scale: float = 0.5, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng((seed, *shape)).normal(size=shape) * scale).astype(np.float32)


def close(got: Tensor | np.ndarray, expected: Tensor | np.ndarray, tol: float = 1e-4) -> None:
    got, expected = (one.numpy() if isinstance(one, Tensor) else one for one in (got, expected))
    np.testing.assert_allclose(got, expected, rtol=tol, atol=tol)


# -- Axon's cases: 5 in layers.json, 8 in equivalences.json, 9 in model.json

WORDS = ("lstm", "gru", "unroll", "recurrent")


def cases(file: str, function: str | None = None) -> list:
    """The cases of a file that are about recurrent layers."""
    found = [case for case in load(file) if any(word in json.dumps(case.raw).lower() for word in WORDS)]
    return [case for case in found if function is None or case.name == function]


def fused(parts: dict[str, Tensor], names: str) -> Tensor | None:
    """Put Axon's kernels or biases, one for each gate, into one; a 0 in place of biases is none."""
    values = [parts[name] for name in names.split()]
    return None if values[0].ndim == 0 else values[0].cat(*values[1:], dim=-1)


def lstm_weights(kernel, recurrent, bias):
    return fused(kernel, "wii wif wig wio"), fused(recurrent, "whi whf whg who"), fused(bias, "bi bf bg bo")


def axon_lstm_cell(x, states, mask, kernel, recurrent, bias):
    hidden, cell = lstm_cell(x, (states[1], states[0]), *lstm_weights(kernel, recurrent, bias))
    return hidden, (cell, hidden)


def axon_lstm(x, states, mask, kernel, recurrent, bias, unroll):
    sequence, (hidden, cell) = run_lstm(x, *lstm_weights(kernel, recurrent, bias), initial=(states[1], states[0]))
    return sequence, (cell, hidden)


def axon_gru(cell, x, states, mask, kernel, recurrent, bias, *, unroll):
    weights = fused(kernel, "wir wiz win"), fused(recurrent, "whr whz whn"), fused(bias, "br bz bin")
    return run_gru(x, *weights, initial=states[0], unroll=unroll)


@pytest.mark.parametrize("case", params(cases("layers")))
def test_axon_numbers(case):
    check(case, case.run({"lstm": axon_lstm, "lstm_cell": axon_lstm_cell}[case.name]))


@pytest.mark.parametrize("case", params(cases("equivalences", "static_unroll")))
def test_axon_says_unrolled_is_the_same(case):
    names = {
        "layers.static_unroll": lambda *args: axon_gru(*args, unroll=True),
        "layers.dynamic_unroll": lambda *args: axon_gru(*args, unroll=False),
    }
    close(*(_called(case.raw[side], lambda name: names.get(name)) for side in ("lhs", "rhs")), tol=case.tol)


@pytest.mark.parametrize("case", params(cases("equivalences", "equivalence")))
def test_axon_says_the_layer_is_the_function(case):
    """Axon sets its states to zeros here; ours always are."""
    (made,) = case.raw["model"]["inputs"]
    shape = case.raw["inputs"]["random"]
    options = {"use_bias": made["kwargs"].get("use_bias", True), "unroll": made["kwargs"].get("unroll") == "static"}
    model = input((None, *shape[1:])) | getattr(ax, made["op"])(*made["args"], **options, name="it")
    weights, x = model.init(seed=1), numbers(*shape)
    found = dict(weights["it"].items())
    kernels = found.pop("kernel"), found.pop("recurrent_kernel")
    close(model.predict(weights, x), RUN[made["op"]](Tensor(x), *kernels, **found)[0], tol=1e-4)


PLACES = {
    "input_kernel": ("kernel", {"wii": 0, "wif": 1, "wig": 2, "wio": 3, "wir": 0, "wiz": 1, "win": 2}),
    "hidden_kernel": ("recurrent_kernel", {"whi": 0, "whf": 1, "whg": 2, "who": 3, "whr": 0, "whz": 1, "whn": 2}),
    "bias": ("bias", {"bi": 0, "bf": 1, "bg": 2, "bo": 3, "br": 0, "bz": 1, "bin": 2}),
}
"""Where each parameter of Axon's is in ours: the kernel, and the gate in it."""


def arrays_of(model: ax.Model) -> dict[str, np.ndarray]:
    """The first weights of the layer called "it"."""
    return {name: value.numpy() for name, value in model.init()["it"].items()}


def part_of(weights: dict[str, np.ndarray], path: list[str]) -> np.ndarray:
    """Take Axon's parameter out of ours."""
    if path[-1] == "bhn":
        return weights["recurrent_bias"]
    name, gates = PLACES[path[0]]
    whole = weights[name]
    if len(path) == 1:
        return whole
    units = weights["recurrent_kernel"].shape[0]
    return whole[..., gates[path[1]] * units : (gates[path[1]] + 1) * units]


@pytest.mark.parametrize("case", params(cases("model")))
def test_axon_parameters(case):
    (made,) = case.raw["model"]["inputs"]
    options = {name: value for name, value in made["kwargs"].items() if name != "name"}
    shape = case.raw["inputs"]["random"]
    weights = arrays_of(input((None, *shape[1:])) | getattr(ax, made["op"])(*made["args"], **options, name="it"))
    total = 0
    for path, expected in case.expected.items():
        part = part_of(weights, path.split(".")[1:])
        total += part.size
        if "value" in expected:
            close(part, np.asarray(expected["value"], np.float32), tol=0)
        else:
            assert list(part.shape) == expected["shape"]
            assert part.dtype == np.float32
    assert total == sum(value.size for value in weights.values())


def test_every_axon_case_is_run():
    assert len(cases("layers")) == 5
    assert {case.name for case in cases("layers")} == {"lstm", "lstm_cell"}
    assert len(cases("equivalences", "static_unroll")) + len(cases("equivalences", "equivalence")) == 8
    assert len(cases("equivalences")) == 8
    assert len(cases("model")) == 9
    assert not cases("shape")


# -- PyTorch


def drawn(name: str, batch: int, time: int, within: int, units: int) -> dict[str, np.ndarray]:
    """An input, weights and states."""
    gates = GATES[name]
    made = {
        "x": numbers(batch, time, within),
        "kernel": numbers(within, gates * units, seed=1),
        "recurrent_kernel": numbers(units, gates * units, seed=2),
        "bias": numbers(gates * units, seed=3),
        "hidden": numbers(batch, units, seed=4),
    }
    extra = {"lstm": {"cell": numbers(batch, units, seed=5)}, "gru": {"recurrent_bias": numbers(units, seed=6)}}
    return made | extra.get(name, {})


def ours(name: str, t: dict[str, Tensor], **options) -> tuple[Tensor, tuple[Tensor, ...]]:
    initial = (t["hidden"], t["cell"]) if name == "lstm" else t["hidden"]
    more = {"recurrent_bias": t["recurrent_bias"]} if name == "gru" else {}
    return RUN[name](t["x"], t["kernel"], t["recurrent_kernel"], t["bias"], initial=initial, **more, **options)


def goal(sequence, states):
    """A number that depends on every output, each in another way."""
    total = (sequence * sequence).sum()
    for n, state in enumerate(states):
        total = total + (state * state * state).sum() * (n + 0.5)
    return total


def gradients(function, tensors: dict[str, Tensor]) -> dict[str, np.ndarray]:
    found = goal(*function(tensors)).gradient(*tensors.values())
    Tensor.realize(*found)
    return {name: one.numpy() for name, one in zip(tensors, found, strict=True)}


def in_torch(name: str, arrays: dict[str, np.ndarray]):
    """Run PyTorch's layer with the same weights; return the outputs, and the gradients by our names."""
    torch = pytest.importorskip("torch")
    units = arrays["recurrent_kernel"].shape[0]
    t = {key: torch.tensor(value, requires_grad=True) for key, value in arrays.items()}
    module = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[name](
        arrays["x"].shape[-1], units, batch_first=True
    )
    zeros = torch.zeros(GATES[name] * units)
    second = torch.cat([zeros[: 2 * units], t["recurrent_bias"]]) if name == "gru" else zeros
    weights = {
        "weight_ih_l0": t["kernel"].T,
        "weight_hh_l0": t["recurrent_kernel"].T,
        "bias_ih_l0": t["bias"],
        "bias_hh_l0": second,
    }
    first = (t["hidden"][None], t["cell"][None]) if name == "lstm" else t["hidden"][None]
    sequence, last = torch.func.functional_call(module, weights, (t["x"], first))
    states = tuple(state[0] for state in (last if name == "lstm" else (last,)))
    goal(sequence, states).backward()
    values = [sequence.detach().numpy(), *(state.detach().numpy() for state in states)]
    return values, {key: value.grad.numpy() for key, value in t.items()}


SHAPES = [(2, 3, 4, 6), pytest.param((1, 1, 1, 1), marks=pytest.mark.slow)]


@pytest.mark.parametrize("shape", [*SHAPES, pytest.param((3, 7, 2, 13), marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_same_as_torch(name, shape):
    arrays = drawn(name, *shape)
    tensors = {key: Tensor(value) for key, value in arrays.items()}
    values, expected = in_torch(name, arrays)
    sequence, states = ours(name, tensors)
    found = goal(sequence, states).gradient(*tensors.values())
    Tensor.realize(sequence, *states, *found)
    for got, value in zip((sequence, *states), values, strict=True):
        close(got, value)
    for key, gradient in zip(tensors, found, strict=True):
        close(gradient, expected[key])


def torch_conv_lstm(arrays: dict[str, np.ndarray]):
    """A convolutional LSTM written with PyTorch's convolutions; it has none of its own."""
    torch = pytest.importorskip("torch")
    conv = torch.nn.functional.conv2d
    t = {key: torch.tensor(value, requires_grad=True) for key, value in arrays.items()}
    hidden, cell = t["hidden"], t["cell"]
    outputs = []
    for step in t["x"].unbind(1):
        z = conv(step, t["kernel"], t["bias"], padding="same") + conv(hidden, t["recurrent_kernel"], padding="same")
        i, f, g, o = z.chunk(4, dim=1)
        cell = torch.sigmoid(f + 1) * cell + torch.sigmoid(i) * torch.tanh(g)
        hidden = torch.sigmoid(o) * torch.tanh(cell)
        outputs.append(hidden)
    sequence = torch.stack(outputs, dim=1)
    goal(sequence, (hidden, cell)).backward()
    return [sequence.detach().numpy(), cell.detach().numpy()], {key: value.grad.numpy() for key, value in t.items()}


def conv_arrays(batch=2, time=3, within=2, units=3, size=(4, 5), window=(3, 1)) -> dict[str, np.ndarray]:
    return {
        "x": numbers(batch, time, within, *size),
        "kernel": numbers(4 * units, within, *window, seed=1),
        "recurrent_kernel": numbers(4 * units, units, *window, seed=2),
        "bias": numbers(4 * units, seed=3),
        "hidden": numbers(batch, units, *size, seed=4),
        "cell": numbers(batch, units, *size, seed=5),
    }


def ours_conv(t: dict[str, Tensor], **options):
    weights = t["kernel"], t["recurrent_kernel"], t["bias"]
    return run_conv_lstm(t["x"], *weights, initial=(t["hidden"], t["cell"]), **options)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("window", [(3, 1), (2, 4)])
def test_conv_lstm_same_as_torch(window):
    arrays = conv_arrays(window=window)
    values, expected = torch_conv_lstm(arrays)
    tensors = {key: Tensor(value) for key, value in arrays.items()}
    sequence, (hidden, cell) = ours_conv(tensors)
    found = goal(sequence, (hidden, cell)).gradient(*tensors.values())
    Tensor.realize(sequence, hidden, cell, *found)
    close(sequence, values[0])
    close(hidden, values[0][:, -1])
    close(cell, values[1])
    for key, gradient in zip(tensors, found, strict=True):
        close(gradient, expected[key])


# -- step by step, in one kernel, on a GPU: all the same


def lstm_tensors(device: str | None = None) -> dict[str, Tensor]:
    return {key: Tensor(value, device=device) for key, value in drawn("lstm", 2, 3, 4, 6).items()}


MASK = [[1, 1, 0], [1, 0, 0]]


OTHERS = {"activation": "relu", "gate": "hard_sigmoid", "forget_bias": 1.0}


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"mask": [[1, 1], [1, 0]]}, OTHERS])
def test_one_kernel_is_the_same_as_step_by_step(options):
    options = {key: Tensor(value) if key == "mask" else value for key, value in options.items()}
    tensors = {key: Tensor(value) for key, value in drawn("lstm", 2, 2, 2, 2).items()}
    got = gradients(lambda t: ours("lstm", t, **options), tensors)
    expected = gradients(lambda t: ours("lstm", t, **options, unroll=True), tensors)
    for key, value in expected.items():
        close(got[key], value)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_a_cell_is_one_step(name):
    t = {key: Tensor(value) for key, value in drawn(name, 2, 1, 4, 6).items()}
    sequence, states = ours(name, t)
    weights = [t["kernel"], t["recurrent_kernel"], t["bias"]]
    x = t["x"][:, 0]
    if name == "lstm":
        expected = lstm_cell(x, (t["hidden"], t["cell"]), *weights)
    elif name == "gru":
        expected = (gru_cell(x, t["hidden"], *weights, t["recurrent_bias"]),)
    else:
        expected = (rnn_cell(x, t["hidden"], *weights),)
    close(sequence[:, 0], expected[0])
    for got, one in zip(states, expected, strict=True):
        close(got, one)


@pytest.mark.slow
def test_a_conv_cell_is_one_step():
    t = {key: Tensor(value) for key, value in conv_arrays(time=1).items()}
    _, states = ours_conv(t)
    weights = t["kernel"], t["recurrent_kernel"], t["bias"]
    expected = conv_lstm_cell(t["x"][:, 0], (t["hidden"], t["cell"]), *weights)
    for got, one in zip(states, expected, strict=True):
        close(got, one)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_a_mask_keeps_the_states_and_repeats_the_output(name):
    t = {key: Tensor(value) for key, value in drawn(name, 2, 3, 4, 6).items()}
    sequence, states = ours(name, t, mask=Tensor(MASK))
    short, ends = ours(name, t | {"x": t["x"][:, :2]})
    first, firsts = ours(name, t | {"x": t["x"][:, :1]})
    Tensor.realize(sequence, *states, short, *ends, first, *firsts)
    close(sequence[0, 1], short[0, 1])
    close(sequence[0, 2], short[0, 1])
    close(sequence[1, 2], first[1, 0])
    for state, end, one in zip(states, ends, firsts, strict=True):
        close(state[0], end[0])
        close(state[1], one[1])


def test_a_mask_in_a_cell_keeps_the_state():
    t = {key: Tensor(value) for key, value in drawn("rnn", 2, 1, 4, 6).items()}
    got = rnn_cell(t["x"][:, 0], t["hidden"], t["kernel"], t["recurrent_kernel"], mask=Tensor([True, False]))
    close(got[1], t["hidden"][1])
    assert abs(got[0].numpy() - t["hidden"][0].numpy()).max() > 0.01


def test_states_begin_at_zero():
    t = lstm_tensors()
    zeros = Tensor.zeros(2, 6)
    sequence, _ = run_lstm(t["x"], t["kernel"], t["recurrent_kernel"], t["bias"])
    expected, _ = ours("lstm", t | {"hidden": zeros, "cell": zeros})
    close(sequence, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in activations if name not in _OVER_AN_AXIS])
def test_a_kernel_takes_every_activation_of_single_numbers(name):
    t = {key: Tensor(value) for key, value in drawn("rnn", 2, 1, 1, 1).items()}
    got = gradients(lambda t: ours("rnn", t, activation=name), t)
    expected = gradients(lambda t: ours("rnn", t, activation=name, unroll=True), t)
    for key, value in expected.items():
        close(got[key], value)


@pytest.mark.slow
@pytest.mark.parametrize("masked", [False, True])
def test_the_kernels_for_gpus_do_the_same(masked):
    """tinygrad's PYTHON device runs threads, shared memory and barriers as a GPU does."""

    def run(device):
        mask = {"mask": Tensor(MASK, device=device)} if masked else {}
        return gradients(lambda t: ours("lstm", t, **mask), lstm_tensors(device))

    got, expected = run("PYTHON"), run("CPU")
    for key, value in expected.items():
        close(got[key], value)


@pytest.mark.slow
def test_the_kernels_of_convolutions_for_gpus_do_the_same():
    arrays = conv_arrays(1, 2, 1, 2, (2, 2), (2, 3))
    got, expected = (
        gradients(ours_conv, {key: Tensor(value, device=device) for key, value in arrays.items()})
        for device in ("PYTHON", "CPU")
    )
    for key, value in expected.items():
        close(got[key], value)


@pytest.mark.slow
def test_channels_last_is_the_same_with_axes_moved():
    tensors = {key: Tensor(value) for key, value in conv_arrays(time=2).items()}
    moved = {key: one.permute(0, 2, 3, 1) for key, one in tensors.items() if key in ("hidden", "cell")}
    moved["x"] = tensors["x"].permute(0, 1, 3, 4, 2)
    sequence, states = ours_conv(tensors | moved, channels="last")
    expected, ends = ours_conv(tensors)
    Tensor.realize(sequence, *states, expected, *ends)
    close(sequence.permute(0, 1, 4, 2, 3), expected)
    close(states[1].permute(0, 3, 1, 2), ends[1])


def test_numbers_out_of_the_gates_range_have_finite_gradients():
    """tinygrad's own gradient of tanh(-50), in a kernel like this, is infinity times zero."""
    t = lstm_tensors()
    t["x"] = t["x"] * 1e4
    assert all(np.isfinite(value).all() for value in gradients(lambda t: ours("lstm", t), t).values())


def test_half_precision_stays_and_is_summed_in_single():
    t = {key: value.cast("float16") for key, value in lstm_tensors().items()}
    sequence, states = ours("lstm", t)
    assert {str(one.dtype) for one in (sequence, *states)} == {"dtypes.half"}
    close(sequence.cast("float32"), ours("lstm", lstm_tensors())[0], tol=5e-3)


# -- long sequences


def kernels_of_a_step(time: int) -> int:
    """Count the kernels that a gradient takes."""
    t = {key: Tensor.empty(*value.shape) for key, value in drawn("lstm", 2, time, 4, 6).items()}
    found = goal(*ours("lstm", t)).gradient(*t.values())
    return len(found[0].schedule_linear(*found[1:]).src)


def test_a_longer_sequence_takes_no_more_kernels():
    assert kernels_of_a_step(7) == kernels_of_a_step(1000)


def test_multiply_adds_are_told_by_the_kernel():
    """For whoever counts a layer's cost: the loop is inside, where no reduction of tensors can be seen."""
    t = lstm_tensors()
    sequence, _ = ours("lstm", t)
    calls = [uop for uop in UOp.sink(sequence.uop).toposort() if uop.op is Ops.CALL]
    assert [call.src[0].arg.estimates.ops for call in calls] == [2 * 2 * 3 * 6 * 4 * 6]


# -- layers

LAYERS = {"rnn": rnn, "lstm": lstm, "gru": gru}


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_shapes(name):
    x = input((None, "time", 5))
    assert (x | LAYERS[name](8)).output_shape == (None, "time", 8)
    assert (x | LAYERS[name](8, return_sequence=False)).output_shape == (None, 8)
    states = ((None, 8),) * STATES[name]
    assert (x | LAYERS[name](8, return_state=True)).output_shape == ((None, "time", 8), *states)
    last = LAYERS[name](8, return_sequence=False, return_state=True)
    assert (x | last).output_shape == ((None, 8), *states)


def test_shapes_of_maps():
    x = input((None, "time", 3, 8, 6))
    assert (x | conv_lstm(4, 3)).output_shape == (None, "time", 4, 8, 6)
    assert (x | conv_lstm(4, 3, 2)).output_shape == (None, "time", 4, 4, 3)
    assert (x | conv_lstm(4, (3, 1), padding="valid", return_sequence=False)).output_shape == (None, 4, 6, 6)
    last = (input((None, 5, 8, 3)) | conv_lstm(4, 3, channels="last", return_state=True)).output_shape
    assert last == ((None, 5, 8, 4), (None, 8, 4), (None, 8, 4))


def test_each_gate_is_drawn_by_itself():
    """With the fans of its own kernel: Glorot's limit is sqrt(6 / (in + units)) as in Axon, not of four times units."""
    kernel = arrays_of(input((None, 3, 40)) | lstm(20, name="it"))["kernel"]
    limit = np.sqrt(6 / 60)
    assert 0.97 * limit < abs(kernel).max() <= limit
    drawn = arrays_of(input((None, 3, 4)) | gru(5, recurrent_initializer="orthogonal", name="it"))
    gate = drawn["recurrent_kernel"][:, 5:10]
    close(gate @ gate.T, np.eye(5, dtype=np.float32))


def test_last_step_and_states_belong_together():
    model = input((None, 3, 4)) | lstm(6, return_state=True)
    sequence, hidden, _ = model.predict(model.init(), numbers(2, 3, 4))
    close(sequence[:, -1], hidden, tol=0)


def test_a_function_of_ones_own_is_an_activation():
    model = input((None, 2, 4)) | rnn(6, lambda x: x * 0.5, name="it")
    weights, x = model.init(), numbers(2, 2, 4)
    kernel, recurrent = (weights["it"][name].numpy() for name in ("kernel", "recurrent_kernel"))
    first = x[:, 0] @ kernel * 0.5
    close(model.predict(weights, x), np.stack([first, (x[:, 1] @ kernel + first @ recurrent) * 0.5], axis=1))


@pytest.mark.slow
def test_a_model_with_an_lstm_learns():
    x = numbers(64, 6, 3, scale=1.0)
    y = (x[:, :, 0].sum(1) > 0).astype(np.int32)
    model = input((None, "time", 3)) | lstm(6, return_sequence=False) | dense(2, "softmax")
    trained = model.fit(
        (x, y), loss="categorical_cross_entropy", epochs=20, batch_size=32, seed=1, optimizer=ax.optimizers.adam(0.02)
    )
    assert trained.history["loss"][-1] < 0.9 * trained.history["loss"][0]


# -- both directions


def test_bidirectional_has_weights_for_each_direction():
    model = input((None, "time", 3)) | bidirectional(lstm(4), name="both")
    assert model.output_shape == (None, "time", 8)
    assert set(model.params) == {f"both.lstm_{n}.{p}" for n in (0, 1) for p in ("kernel", "recurrent_kernel", "bias")}


def test_bidirectional_turns_time_and_nothing_else():
    one = rnn(4, return_state=True, name="it")
    model = input((None, 3, 2)) | bidirectional(one)
    weights, x = model.init(), numbers(2, 3, 2)
    sequence, hidden = model.predict(weights, x)
    names = ("kernel", "recurrent_kernel", "bias")
    there, back = ([weights[layer][name] for name in names] for layer in ("it", "it_back"))
    forward, (last,) = run_rnn(Tensor(x), *there)
    backward, (end,) = run_rnn(Tensor(np.ascontiguousarray(x[:, ::-1])), *back)
    close(sequence, np.concatenate([forward.numpy(), backward.numpy()[:, ::-1]], axis=-1))
    close(hidden, np.concatenate([last.numpy(), end.numpy()], axis=-1))


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_each_direction_begins_with_states_of_its_own_as_in_torch(name):
    torch = pytest.importorskip("torch")
    units, states = 4, ("hidden", "cell")[: STATES[name]]
    layer = LAYERS[name](units, return_state=True, name="it")
    given = [f"{state}{way}" for state in states for way in ("", "_back")]
    inputs = {key: input((None, units), name=key) for key in given}
    model = bidirectional(layer)(input((None, 3, 2), name="x"), **inputs)
    weights = model.init(seed=1)
    data = {key: numbers(2, units, seed=n) for n, key in enumerate(given)}
    found = model.predict(weights, {"x": numbers(2, 3, 2), **data})
    module = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[name](
        2, units, batch_first=True, bidirectional=True
    )
    for way, suffix in (("it", ""), ("it_back", "_reverse")):
        own = {key: torch.tensor(value.numpy()) for key, value in weights[way].items()}
        second = torch.cat([torch.zeros(2 * units), own["recurrent_bias"]]) if name == "gru" else own["bias"] * 0
        for key, value in {
            "weight_ih_l0": own["kernel"].T, "weight_hh_l0": own["recurrent_kernel"].T, "bias_ih_l0": own["bias"],
            "bias_hh_l0": second,
        }.items():  # fmt: skip
            getattr(module, f"{key}{suffix}").data = value
    first = [torch.tensor(np.stack([data[state], data[f"{state}_back"]])) for state in states]
    sequence, last = module(torch.tensor(numbers(2, 3, 2)), tuple(first) if name == "lstm" else first[0])
    close(found[0], sequence.detach().numpy())
    for got, (ahead, back) in zip(found[1:], last if name == "lstm" else (last,), strict=True):
        close(got, torch.cat([ahead, back], dim=-1).detach().numpy())


def test_a_state_given_for_one_direction_is_that_of_both():
    x, state = input((None, 3, 2), name="x"), input((None, 4), name="state")
    layer = bidirectional(gru(4, name="it"))
    weights = (x | layer).init()
    data = {"x": numbers(1, 3, 2), "state": numbers(1, 4)}
    both = layer(x, hidden=state, hidden_back=state).predict(weights, data)
    for one in (
        layer(x, state),
        layer(x, hidden=state),
        layer(x, hidden_back=state),
        {"x": x, "hidden": state} | layer,
    ):
        close(one.predict(weights, data), both, tol=0)
    ones = layer(x, hidden=state, hidden_back=input((None, 4), name="other"))
    assert abs(ones.predict(weights, {**data, "other": numbers(1, 4, seed=7)}) - both).max() > 0.01


@pytest.mark.parametrize(
    ("merge", "shape"),
    [("add", (None, 5, 4)), ("multiply", (None, 5, 4)), ("concatenate", (None, 5, 8)),
     (concatenate(axis=1), (None, 10, 4)), (lambda a, b: (a + b) / 2, (None, 5, 4))],
)  # fmt: skip
def test_bidirectional_merges(merge, shape):
    assert (input((None, 5, 3)) | bidirectional(gru(4), merge)).output_shape == shape


def test_bidirectional_of_the_last_step():
    model = input((None, "time", 3)) | bidirectional(lstm(4, return_sequence=False))
    assert model.output_shape == (None, 8)


def test_bidirectional_of_several_layers_and_twice():
    both = bidirectional(lstm(4) | lstm(3))
    model = input((None, "time", 6)) | both | both
    assert model.output_shape == (None, "time", 6)
    assert len(model.params) == 4 * 3  # one object is one set of weights, here too


def test_reverse():
    x = numbers(1, 3, 2)
    assert (input((None, "time", 2)) | reverse()).output_shape == (None, "time", 2)
    close(ax.functional.reverse(Tensor(x)), x[:, ::-1])
    close(ax.functional.reverse(Tensor(x), axis=-1), x[..., ::-1])


# -- what goes wrong


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (
            lambda: input((None, 8)) | lstm(4),
            ShapeError,
            r"lstm 'lstm_0'.*needs 3 axes, with the batch first, and got 2",
        ),
        (lambda: input((None, 5, 8), dtype="int32") | gru(4), ShapeError, r"gru 'gru_0'.*floating-point"),
        (lambda: input((None, 8, 8)) | conv_lstm(4, 3), ShapeError, r"conv_lstm 'conv_lstm_0'.*needs 4, 5 or 6 axes"),
        (lambda: input((None, 5, 8, 8, 8)) | conv_lstm(4, (3, 3, 3)), ShapeError, r"kernel_size has 3 sizes"),
    ],
)
def test_shape_errors(build, error, message):
    with pytest.raises(error, match=message):
        _ = build().output_shape


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: lstm(0), OptionError, "units must be a whole number of at least 1"),
        (lambda: lstm(4, "tanhh"), OptionError, "tanhh"),
        (lambda: bidirectional(lstm(4), "mean"), OptionError, "merge must be one of 'concatenate'"),
        (lambda: bidirectional(3), GraphError, "an int is not a layer"),
        (
            lambda: bidirectional(gru(4))(input((None, 3, 2)), hidden_bak=input((None, 4))),
            GraphError,
            "there is no gru input 'hidden_bak'\n  fix: did you mean 'hidden_back'",
        ),
        (lambda: (*[input((None, 3, 2))] * 5,) | bidirectional(gru(4)), GraphError, "takes 1 to 3 inputs and got 5"),
    ],
)
def test_option_errors(build, error, message):
    with pytest.raises(error, match=message):
        build()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": (3, 24)}, r"kernel must have the shape \(4, 24\)"),
        ({"recurrent_kernel": (6, 18)}, r"kernel must have|recurrent_kernel must have the shape \(6, 24\)"),
        ({"bias": (6,)}, r"bias must have the shape \(24,\)"),
        ({"hidden": (1, 6)}, r"the initial hidden state must have the shape \(2, 6\)"),
        ({"cell": (2, 5)}, r"the initial cell state must have the shape \(2, 6\)"),
        ({"x": (2, 0, 4)}, "needs at least one step"),
    ],
)
def test_weights_that_do_not_fit(change, message):
    t = lstm_tensors() | {key: Tensor.empty(*shape) for key, shape in change.items()}
    with pytest.raises(ShapeError, match=message):
        ours("lstm", t)


def test_a_mask_and_states_that_do_not_fit():
    t = lstm_tensors()
    with pytest.raises(ShapeError, match=r"the mask must have the shape \(2, 3\)"):
        ours("lstm", t, mask=Tensor([1, 1, 0]))
    with pytest.raises(ShapeError, match=r"takes 2 initial states \(hidden state, cell state\) and got 1"):
        run_lstm(t["x"], t["kernel"], t["recurrent_kernel"], initial=t["hidden"])
