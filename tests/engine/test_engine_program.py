"""A program gives what the function gives, whatever its inputs are and whatever goes wrong in it."""

import _thread
import gc
import signal
import threading
from weakref import ref

import numpy as np
import pytest
from tinygrad import Context, Tensor, dtypes, nn
from tinygrad.helpers import TRAINING

from axon_nb.engine import RUNTIME, Program, native, uniform, upload, words
from axon_nb.engine import program as program_module
from axon_nb.engine.program import KEPT


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def realised(array):
    return Tensor(array).realize()


class Network:
    """Dense, a running mean, dropout, dense, trained by Adam: everything that has state."""

    def __init__(self):
        self.first = realised(numbers(8, 16, seed=1) * 0.3)
        self.second = realised(numbers(16, 4, seed=2) * 0.3)
        self.mean = realised(np.zeros(16, "float32")).is_param_(False)
        self.step_number = Tensor([0], dtype=dtypes.uint32).realize().is_param_(False)
        self.optimizer = nn.optim.Adam([self.first, self.second], lr=0.01)

    def state(self):
        return [self.mean, self.step_number, self.first, self.second, *nn.state.get_parameters(self.optimizer)]

    def train(self, x, y):
        self.optimizer.zero_grad()
        hidden = (x @ self.first).relu()
        self.mean.assign(self.mean * 0.9 + hidden.detach().mean(axis=0) * 0.1)
        mask = uniform(words(3, "dropout_0"), self.step_number, 0, hidden.shape) < 0.5
        hidden = mask.where(hidden * 2, 0)
        loss = (hidden @ self.second).sparse_categorical_crossentropy(y)
        loss.backward()
        updated = self.optimizer.schedule_step()
        self.step_number.assign(self.step_number + 1)
        Tensor.realize(loss, self.mean, self.step_number, *updated)
        return loss, mask

    def values(self):
        return [t.numpy().tolist() for t in self.state()]


X, Y = numbers(32, 8), np.random.default_rng(0).integers(0, 4, 32)


def run_eagerly(steps):
    network, seen = Network(), []
    for _ in range(steps):
        with Context(TRAINING=1):
            loss, mask = network.train(realised(X), realised(Y))
        seen.append((loss.item(), mask.numpy().tolist()))
    return seen, network.values()


@pytest.fixture(scope="module")
def eager():
    return run_eagerly(5)


@pytest.mark.parametrize("keep", [True, False])
def test_the_first_call_is_recorded_and_training_goes_as_without_recording(eager, keep):
    network = Network()
    step = Program(network.train, state=network.state, training=True, keep=keep)
    seen = []
    for _ in range(5):
        loss, mask = step(realised(X), realised(Y))
        seen.append((loss.item(), mask.numpy().tolist()))
    losses, masks = zip(*seen, strict=True)
    expected_losses, expected_masks = zip(*eager[0], strict=True)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-6)
    assert masks == expected_masks
    assert len({str(m) for m in masks}) == 5  # a new mask each step
    for ours, theirs in zip(network.values(), eager[1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_the_function_runs_once_for_each_kind_of_input():
    calls = []
    program = Program(lambda x: calls.append(x.shape) or x + 1)
    for size in (3, 3, 4, 3, 4):
        assert program(realised(np.ones(size, "float32"))).tolist() == [2.0] * size
    assert calls == [(3,), (4,)]
    assert program(Tensor([1, 2, 3])).tolist() == [2, 3, 4]
    assert len(calls) == 3
    program.reset()
    program(Tensor([1, 2, 3]))
    assert len(calls) == 4


def test_the_oldest_recordings_are_forgotten():
    calls = []
    program = Program(lambda x: calls.append(1) or x + 1)
    for size in range(1, KEPT + 3):
        program(realised(np.ones(size, "float32")))
    program(realised(np.ones(KEPT + 2, "float32")))
    assert len(calls) == KEPT + 2
    assert repr(program) == f"Program('step', {KEPT} recorded)"
    program(realised(np.ones(1, "float32")))
    assert len(calls) == KEPT + 3


BASE = numbers(6, 4)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: realised(BASE)[2:5], id="slice"),
        pytest.param(lambda: realised(BASE).T[:, :3].T, id="transposed"),
        pytest.param(lambda: Tensor(BASE[:3]) * 2, id="unrealised"),
        pytest.param(lambda: Tensor(BASE[:3]), id="from numpy"),
        pytest.param(lambda: Tensor.ones(3, 4), id="constant"),
        pytest.param(lambda: Tensor(2.0), id="number"),
        pytest.param(lambda: Tensor([1.0, 2, 3, 4]).realize().expand(3, 4), id="expanded"),
        pytest.param(lambda: realised(BASE[:3]).reshape(2, 6).reshape(3, 4), id="reshaped"),
        pytest.param(lambda: realised(BASE).flatten()[:12].reshape(3, 4), id="contiguous view"),
    ],
)
def test_any_tensor_can_be_an_input(make):
    program = Program(lambda x, y: (x * 3, y + 1))
    plain = realised(numbers(3, 4, seed=5))
    for first in (make(), plain, make()):
        tripled, added = program(first, plain)
        np.testing.assert_allclose(tripled.numpy(), first.numpy() * 3, rtol=1e-6)
        np.testing.assert_allclose(added.numpy(), plain.numpy() + 1, rtol=1e-6)


def test_one_tensor_can_be_several_inputs():
    program = Program(lambda x, y, z: x + y * 10 + z * 100)
    one, two = Tensor([1.0]).realize(), Tensor([2.0]).realize()
    assert program(one, one, one).tolist() == [111]
    assert program(one, two, one).tolist() == [121]
    assert program(one, two, two).tolist() == [221]


def test_a_weight_can_be_an_input():
    weight = Tensor([3.0]).realize()
    program = Program(lambda x: x * weight, state=[weight])
    assert program(weight).tolist() == [9]
    assert program(Tensor([5.0])).tolist() == [15]  # a recording that took the weight for the input would give 25


def test_tensors_on_several_devices_can_be_inputs_and_results():
    devices = ("CPU", "CPU:1")
    weight = Tensor([[1.0, 2.0]]).realize().shard(devices).realize()
    program = Program(lambda x: (x * weight, (x * weight).sum()), state=[weight])
    results = [program(Tensor(np.full((4, 2), k)).cast("float").shard(devices, axis=0)) for k in (1, 2, 3)]
    assert [(product.tolist(), total.item()) for product, total in results] == [
        ([[k, 2 * k]] * 4, 12 * k) for k in (1, 2, 3)
    ]


def test_results_are_not_overwritten():
    program = Program(lambda x: (x + 1, (x * 2).reshape(1, 2)))
    first = program(Tensor([1.0, 2.0]))
    second = program(Tensor([10.0, 20.0]))
    assert [t.tolist() for t in first] == [[2, 3], [[2, 4]]]
    assert [t.tolist() for t in second] == [[11, 21], [[20, 40]]]


def test_results_not_kept_are_the_same_memory():
    program = Program(lambda x: x + 1, keep=False)
    first = program(Tensor([1.0]))
    assert first is program(Tensor([5.0]))
    assert first.tolist() == [6]


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(lambda x: x, id="the input"),
        pytest.param(lambda x: x[1:], id="a view of it"),
        pytest.param(lambda x: x.reshape(2, 1), id="reshaped"),
        pytest.param(lambda x: (x + 1)[1:], id="a view of a result"),
        pytest.param(lambda x: x.sum(), id="a scalar"),
        pytest.param(lambda x: x.realize() * 2, id="realised within"),
        pytest.param(lambda x: Tensor.zeros(2), id="a constant"),
        pytest.param(lambda x: Tensor(1.5), id="a number"),
        pytest.param(lambda x: x[:0], id="empty"),
        pytest.param(lambda x: x * x.sum().item(), id="reads a value"),
        pytest.param(lambda x: Tensor.stack(*[x] * 3).half(), id="another dtype"),
    ],
)
@pytest.mark.parametrize("keep", [True, False])
def test_any_tensor_can_be_a_result(function, keep):
    program = Program(function, keep=keep)
    results = []
    for values in ([1.0, 2.0], [3.0, 4.0], [5.0, 6.0]):
        result = program(Tensor(values))
        expected = function(Tensor(values)).tolist()
        assert result.tolist() == expected
        results.append((result, expected))
    if keep:
        assert [(r.tolist()) for r, _ in results] == [e for _, e in results]


def test_the_shape_of_what_is_returned_stays():
    assert isinstance(Program(lambda x: x + 1)(Tensor([1.0])), Tensor)
    assert isinstance(Program(lambda x: [x + 1])(Tensor([1.0])), tuple)
    weight = Tensor([1.0]).realize()

    def add():
        weight.assign(weight + 1)

    step = Program(add, state=[weight])
    assert step() == ()
    assert step() == ()
    assert weight.tolist() == [3]


def test_state_may_be_returned():
    weight = Tensor([1.0]).realize()
    step = Program(lambda x: weight.assign(weight + x), state=[weight])
    first = step(Tensor([10.0]))
    second = step(Tensor([100.0]))
    assert (first.tolist(), second.tolist(), weight.tolist()) == ([11], [111], [111])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda w: w.assign(Tensor([7.0])).realize(), id="assigned"),
        pytest.param(lambda w: w.assign(Tensor([7.0])), id="assigned, not realised"),
        pytest.param(lambda w: w.replace(Tensor([7.0]).realize()), id="replaced"),
        pytest.param(lambda w: w.replace(Tensor([7.0])), id="replaced, not realised"),
    ],
)
def test_weights_changed_between_calls_are_seen(change):
    weight = Tensor([2.0]).realize()
    program = Program(lambda x: x * weight, state=[weight])
    assert program(Tensor([10.0])).tolist() == [20]
    change(weight)
    assert program(Tensor([10.0])).tolist() == [70]
    assert program(Tensor([20.0])).tolist() == [140]


def test_assignment_in_place_is_seen_of_tensors_outside_state():
    weight = Tensor([2.0]).realize()
    program = Program(lambda x: x * weight)
    assert program(Tensor([10.0])).tolist() == [20]
    weight.assign(Tensor([7.0])).realize()
    assert program(Tensor([10.0])).tolist() == [70]


def test_state_assigned_without_realize_is_written():
    mean = Tensor([0.0]).realize()

    def step(x):
        mean.assign(mean * 0.5 + x * 0.5)
        return x + 1

    program = Program(step, state=[mean])
    seen = []
    for _ in range(3):
        program(Tensor([8.0]))
        seen.append(mean.tolist()[0])
    assert seen == [4, 6, 7]


def test_unrealised_state_is_realised_first():
    weight = Tensor(np.array([2.0], "float32")) + 1
    program = Program(lambda x: x * weight, state=lambda: [weight])
    assert [program(Tensor([k])).tolist() for k in (1.0, 2.0)] == [[3], [6]]


def test_training_is_set_and_put_back():
    seen = []

    def function(x):
        seen.append(TRAINING.value)
        return x + 1

    Program(function, training=True)(Tensor([1.0]))
    with Context(TRAINING=1):
        Program(function)(Tensor([1.0]))
        assert TRAINING.value == 1
    assert seen == [1, 0]
    assert TRAINING.value == 0


def test_other_tensors_from_state_end_what_was_recorded_with_the_old_ones():
    weights = [Tensor([2.0]).realize()]
    program = Program(lambda x: x * weights[0], state=lambda: weights)
    assert program(Tensor([1.0])).tolist() == [2]
    weights[0] = Tensor([5.0]).realize()
    assert program(Tensor([1.0, 1.0])).tolist() == [5, 5]  # asks again, for a new kind of input
    assert program(Tensor([1.0])).tolist() == [5]


class Broken(Exception):  # noqa: N818
    pass


def test_an_exception_leaves_everything_as_it_was_and_the_program_usable():
    weight, fail = Tensor([1.0]).realize(), [True]

    def step(x):
        weight.assign(weight + x)
        (x * 5).realize()
        if fail[0]:
            raise Broken
        return weight * 1

    program = Program(step, state=[weight], training=True)
    with pytest.raises(Broken):
        program(Tensor([1.0]))
    assert TRAINING.value == 0
    assert weight.tolist() == [1]
    fail[0] = False
    assert [program(Tensor([1.0])).tolist() for _ in range(3)] == [[2], [3], [4]]


def test_an_exception_in_one_kind_of_input_keeps_the_recordings_of_others():
    def function(x):
        if x.shape == (3,):
            raise Broken
        return x + 1

    program = Program(function)
    assert program(Tensor([1.0])).tolist() == [2]
    with pytest.raises(Broken):
        program(Tensor([1.0, 2.0, 3.0]))
    assert program(Tensor([5.0])).tolist() == [6]


@pytest.mark.parametrize("returned", [3, "x", [1.0], {"a": 1}])
def test_a_result_that_is_no_tensor_is_refused(returned):
    with pytest.raises(TypeError, match=r"program 'predict' must return tensors: a tensor, a tuple of tensors or None"):
        Program(lambda x: returned, "predict")(Tensor([1.0]))


def test_an_input_that_is_no_tensor_is_refused():
    with pytest.raises(TypeError, match="program 'predict' takes tensors, and input 1 is ndarray"):
        Program(lambda x, y: x, "predict")(Tensor([1.0]), np.ones(1))


def test_a_program_within_a_program_becomes_part_of_it():
    inner = Program(lambda x: x * 2)
    outer = Program(lambda x: inner(x) + 1)
    assert [outer(Tensor([k])).tolist() for k in (1.0, 2.0)] == [[3], [5]]
    assert inner(Tensor([4.0])).tolist() == [8]


def test_prepare_runs_nothing():
    weight, calls = Tensor([1.0]).realize(), []

    def step(x):
        calls.append(1)
        return weight.assign(weight + x)

    program = Program(step, state=[weight])
    program.prepare(Tensor([1.0]))
    assert (weight.tolist(), len(calls)) == ([1], 1)
    assert program(Tensor([2.0])).tolist() == [3]
    assert len(calls) == 1


def test_tinygrad_random_numbers_go_on_from_call_to_call():
    program = Program(lambda x: x + Tensor.rand(4))
    seen = [tuple(program(Tensor.zeros(4)).tolist()) for _ in range(4)]
    assert len(set(seen)) == 4


def fed(program, *arrays, tensors=(), device="CPU"):
    """Feed a program, and return its results as lists."""
    return [one.tolist() for one in program.feed([np.asarray(a, "float32") for a in arrays], *tensors, device=device)]


@pytest.mark.parametrize("device", ["CPU", "PYTHON"])
def test_arrays_are_fed_as_tensors_are(device):
    weight = Tensor([2.0], device=device).realize()
    program = Program(lambda x, y, w: (x * w + y, (x + y).sum()))
    for turn in range(6):
        for size in (1, 3):
            x, y = np.full(size, turn), np.arange(size)
            assert fed(program, x, y, tensors=[weight], device=device) == [
                (2.0 * x + y).tolist(), float((x + y).sum())
            ]  # fmt: skip


@pytest.mark.parametrize("array", [
    np.arange(6.0).reshape(2, 3), np.arange(6, dtype="int64"), np.array(3.5, "float32"), np.array([True, False]),
    np.arange(6, dtype="float16")[::-2], np.arange(6.0).reshape(2, 3).T,
    np.arange(4, dtype=">f4"), np.ones(1 << 19, "float32"),
], ids=["float64", "int64", "scalar", "bool", "strided", "turned", "big-endian", "large"])  # fmt: skip
def test_any_array_can_be_fed(array):
    program = Program(lambda x: (x, x != 0))
    for turn in range(4):
        given = array if turn % 2 == 0 else np.logical_not(array).astype(array.dtype)
        same, marked = program.feed([given], device="CPU")
        assert (same.dtype, same.shape) == (array.dtype.newbyteorder("="), array.shape)
        assert np.array_equal(same, given)
        assert np.array_equal(marked, given.astype(bool))


def test_arrays_that_come_out_are_ones_own():
    program = Program(lambda x: x + 1)
    seen = [program.feed([np.full(2, turn, "float32")], device="CPU")[0] for turn in range(5)]
    assert [one.tolist() for one in seen] == [[turn + 1.0] * 2 for turn in range(5)]
    seen[-1][:] = 0
    assert fed(program, [8, 8]) == [[9, 9]]


def test_feeding_makes_no_tensors_from_the_third_call_on(monkeypatch):
    program = Program(lambda x, w: x @ w)
    weight = realised(numbers(4, 2))
    calls = []
    monkeypatch.setattr(program_module, "upload", lambda *given: calls.append(1) or upload(*given))
    for turn in range(6):
        assert np.allclose(program.feed([numbers(3, 4, seed=turn)], weight, device="CPU")[0],
                           numbers(3, 4, seed=turn) @ numbers(4, 2), atol=1e-6)  # fmt: skip
    assert len(calls) == 2
    program.feed([np.ones((3, 1 << 18), "float32")], realised(np.ones((1 << 18, 1), "float32")), device="CPU")
    for _ in range(3):  # large arrays are not kept
        program.feed([np.ones((3, 1 << 18), "float32")], realised(np.ones((1 << 18, 1), "float32")), device="CPU")
    assert len(calls) == 6


CHANGES = [
    pytest.param(lambda w: w.assign(Tensor([7.0])).realize(), id="assigned"),
    pytest.param(lambda w: w.assign(Tensor([7.0])), id="assigned, not realised"),
    pytest.param(lambda w: w.replace(Tensor([7.0]).realize()), id="replaced"),
    pytest.param(lambda w: w.replace(Tensor([7.0])), id="replaced, not realised"),
    pytest.param(lambda w: w.replace(Tensor([7.0, 0.0]).realize()[:1]), id="replaced by a view"),
]


@pytest.mark.parametrize("calls", [1, 2, 3, 4])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("is_state", [True, False])
def test_weights_changed_between_calls_are_seen_however_often_it_ran(change, calls, is_state):
    weight, x = Tensor([2.0]).realize(), Tensor([10.0]).realize()
    given = () if is_state else (weight,)
    program, plain = (
        Program(lambda x, *given: x * (given[0] if given else weight), state=[weight] if is_state else ())
        for _ in range(2)
    )
    for _ in range(calls):
        assert fed(program, [10], tensors=given) == [[20]]
        assert plain(x, *given).tolist() == [20]
    change(weight)
    for _ in range(3):
        assert fed(program, [10], tensors=given) == [[70]]
        assert plain(x, *given).tolist() == [70]
        assert plain(Tensor([20.0]), *given).tolist() == [140]


def test_other_weights_have_other_results_in_turn():
    program = Program(lambda x, w: x * w)
    weights = [Tensor([float(k)]).realize() for k in range(12)]  # more than are remembered
    for _ in range(3):
        for k, weight in enumerate(weights):
            assert fed(program, [10], tensors=[weight]) == [[10 * k]]
            assert program(Tensor([5.0]), weight).tolist() == [5 * k]


def test_the_weights_of_earlier_calls_are_not_kept_alive():
    program = Program(lambda x, w: x * w)
    weight, x = Tensor([3.0]).realize(), Tensor([1.0]).realize()
    for _ in range(4):
        assert fed(program, [10], tensors=[weight]) == [[30]]
        assert program(x, weight).tolist() == [3]
    watched = ref(weight.uop)
    del weight
    gc.collect()
    assert watched() is None


def test_what_a_function_keeps_of_its_inputs_stays():
    seen = {"recorded": [], "eager": [], "reads": []}

    def keep(name, reads):
        return lambda x: seen[name].append(x) or (x * x.sum().item() if reads else x * 2)

    programs = [
        Program(keep("recorded", False)),
        Program(keep("eager", False), eager=True),
        Program(keep("reads", True)),
    ]
    for turn in range(1, 6):
        for program in programs:
            fed(program, [turn, turn])
    assert [t.tolist() for t in seen["recorded"]] == [[1, 1]]
    assert [t.tolist() for t in seen["eager"]] == [[turn, turn] for turn in range(1, 6)]
    assert [t.tolist() for t in seen["reads"]][-5:] == [[turn, turn] for turn in range(1, 6)]


def test_tensors_within_a_program_that_is_recorded_are_its_own():
    inner = Program(lambda x: x * 2)
    one = Tensor([1.0]).realize()
    for _ in range(4):
        inner(one)
        fed(inner, [1])
    outer = Program(lambda x: inner(one) + x)
    assert [outer(Tensor([k])).tolist() for k in (1.0, 2.0)] == [[3], [4]]
    one.assign(Tensor([5.0])).realize()
    assert outer(Tensor([1.0])).tolist() == [11]


def test_random_numbers_go_on_while_arrays_are_fed():
    program = Program(lambda x: x + Tensor.rand(4))
    assert len({str(fed(program, [0] * 4)) for _ in range(6)}) == 6


def test_kinds_that_are_used_are_not_forgotten_for_others():
    calls = []
    program = Program(lambda x: calls.append(x.shape) or x + 1)
    for size in range(1, 3 * KEPT):
        fed(program, [1] * size)
        assert fed(program, [1]) == [[2]]
    assert calls.count((1,)) == 1


def test_a_kind_that_was_forgotten_is_recorded_again():
    calls = []
    program = Program(lambda x: calls.append(x.shape) or x + 1)
    for _ in range(4):
        assert fed(program, [1]) == [[2]]
    for size in range(2, KEPT + 3):
        fed(program, [1] * size)
    assert fed(program, [5]) == [[6]]
    assert calls.count((1,)) == 2
    program.reset()
    assert fed(program, [6]) == [[7]]
    assert calls.count((1,)) == 3


@pytest.mark.parametrize("calls", [0, 1, 4])
def test_an_interrupt_comes_after_the_numbers(monkeypatch, calls):
    weight = Tensor([0.0]).realize()
    program = Program(lambda x: weight.assign(weight + x) * 1, state=[weight])
    for _ in range(calls):
        fed(program, [1])
    run = native.Step.run
    monkeypatch.setattr(native.Step, "run", lambda *given: (signal.raise_signal(signal.SIGINT), run(*given)))
    with pytest.raises(KeyboardInterrupt):
        fed(program, [1])
    monkeypatch.undo()
    assert weight.tolist() == [calls + 1]
    assert fed(program, [1]) == [[calls + 2]]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_threads_may_feed_a_program():
    program = Program(lambda x: (x * 2, x.sum()))
    failures = []

    def feed(number):
        for turn in range(200):
            value = number * 1000 + turn
            found = fed(program, [value] * 3)
            if found != [[2 * value] * 3, 3 * value]:
                failures.append((value, found))

    threads = [threading.Thread(target=feed, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_what_is_fed_beside_arrays_are_tensors():
    with pytest.raises(TypeError, match="program 'step' takes tensors, and input 0 is float"):
        Program(lambda x, w: x * w).feed([np.ones(1)], 2.0, device="CPU")


def test_without_tinygrads_jit_the_function_runs_each_time():
    weight = Tensor([1.0]).realize()
    with Context(JIT=0):
        program = Program(lambda x: weight.assign(weight + x), state=[weight])
        assert [program(Tensor([1.0])).tolist() for _ in range(3)] == [[2], [3], [4]]


def test_threads_may_share_a_program():
    weight = Tensor([0.0]).realize()
    step = Program(lambda x: weight.assign(weight + x), state=[weight])
    failures = []

    def add():
        try:
            for _ in range(20):
                step(Tensor([1.0]))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with RUNTIME:
        assert weight.tolist() == [60]


def test_an_interrupt_in_the_recording_comes_at_once_and_undoes_it(eager):
    network = Network()
    before, reached = network.values(), []

    def interrupted(x, y):
        network.train(x, y)
        signal.raise_signal(signal.SIGINT)
        reached.append(sum(range(1000)))
        return x

    step = Program(interrupted, state=network.state, training=True)
    with pytest.raises(KeyboardInterrupt):
        step(realised(X), realised(Y))
    assert not reached
    assert network.values() == before
    step = Program(network.train, state=network.state, training=True)
    losses = [step(realised(X), realised(Y))[0].item() for _ in range(5)]
    np.testing.assert_allclose(losses, [loss for loss, _ in eager[0]], rtol=1e-6)


# An interrupt that falls into a `__del__` outside of the program (in `realised`) is dropped by Python, with a warning.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupts_at_any_moment_leave_whole_steps(eager):
    network = Network()
    step = Program(network.train, state=network.state, training=True)
    losses, interrupts = [], 0

    def train_on():
        while len(losses) < 5:
            done = network.step_number.item()
            assert done in (len(losses), len(losses) + 1)
            if done == len(losses) + 1:  # the interrupt came after the kernels, before the loss was noted
                losses.append(eager[0][len(losses)][0])
            else:
                losses.append(step(realised(X), realised(Y))[0].item())

    for delay_s in (0.001, 0.004, 0.016, 0.06, 0.12, 0.2, 0.3, 0.003, 0.0005, 0.002):
        timer = threading.Timer(delay_s, _thread.interrupt_main)
        try:
            timer.start()
            train_on()
            timer.join()
        except KeyboardInterrupt:
            interrupts += 1
        timer.join()
    train_on()
    assert interrupts
    np.testing.assert_allclose(losses, [loss for loss, _ in eager[0]], rtol=1e-6)
    for ours, theirs in zip(network.values(), eager[1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
