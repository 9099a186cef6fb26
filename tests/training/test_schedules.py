"""Schedules: PyTorch's rates, and rates within a recorded step."""

import numpy as np
import pytest
from tinygrad import Tensor

import axon_nb as ax
from axon_nb import optimizers, schedules
from axon_nb.errors import OptionError
from axon_nb.training.schedules import schedules as by_name

STEPS = np.arange(12)


def torch_rates(make):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    rates = [scheduler.get_last_lr()[0]]
    for _ in STEPS[1:]:
        optimizer.step()
        scheduler.step()
        rates.append(scheduler.get_last_lr()[0])
    return rates


TORCH = [
    (schedules.constant(0.1), lambda s, o: s.ConstantLR(o, factor=1.0)),
    (schedules.linear(0.1, steps=8, end=0.02), lambda s, o: s.LinearLR(o, 1.0, 0.2, total_iters=8)),
    (schedules.exponential(0.1, decay=0.7, every=1), lambda s, o: s.ExponentialLR(o, 0.7)),
    (schedules.exponential(0.1, decay=0.5, every=3, staircase=True), lambda s, o: s.StepLR(o, 3, 0.5)),
    (schedules.cosine(0.1, steps=11, end=0.01), lambda s, o: s.CosineAnnealingLR(o, 11, eta_min=0.01)),
    (schedules.polynomial(0.1, steps=9, power=2.0), lambda s, o: s.PolynomialLR(o, 9, power=2.0)),
    (schedules.polynomial(0.1, steps=9, power=0.5), lambda s, o: s.PolynomialLR(o, 9, power=0.5)),
    (schedules.one_cycle(0.1, steps=12), lambda s, o: s.OneCycleLR(o, 0.1, total_steps=12, cycle_momentum=False)),
    (schedules.warm_up(schedules.cosine(0.1, steps=8), steps=4, start=0.01),
     lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.1, 1.0, total_iters=4), s.CosineAnnealingLR(o, 8)], [4])),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # of SequentialLR, about a call of its own
@pytest.mark.parametrize(("schedule", "make"), TORCH, ids=lambda one: getattr(one, "name", ""))
def test_rates_are_pytorchs(schedule, make):
    np.testing.assert_allclose(schedule(STEPS), torch_rates(make), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    "schedule",
    [schedules.linear(0.1, steps=5, end=0.02), schedules.cosine(0.1, steps=5, end=0.02),
     schedules.polynomial(0.1, steps=5, end=0.02)],
    ids=lambda one: one.name,
)  # fmt: skip
def test_a_schedule_stays_at_its_end(schedule):
    assert schedule(5) == schedule(1000) == pytest.approx(0.02)
    assert schedule(0) == pytest.approx(0.1)


def test_one_step_is_enough_for_every_schedule():
    for name, make in by_name.items():
        options = {"constant": (0.1,), "exponential": (0.1,), "warm_up": (0.1, 1)}.get(name, (0.1, 1))
        assert np.isfinite(make(*options)(np.arange(3))).all(), name


def test_calls_take_numbers_arrays_and_tensors():
    rate = schedules.linear(0.1, steps=10)
    assert rate(5) == 0.05
    assert rate(np.array([0, 10])).tolist() == pytest.approx([0.1, 0])
    assert rate(Tensor([5])).tolist() == pytest.approx([0.05])
    shown = "warm_up(after=linear(learning_rate=0.1, steps=10, end=0.0), steps=3, start=0.0)"
    assert repr(schedules.warm_up(rate, steps=3)) == shown


@pytest.mark.parametrize(
    ("wrong", "message"),
    [(lambda: schedules.linear(0.1), r"linear: steps must be given\n  fix: linear\(steps=1000\)"),
     (lambda: schedules.linear(0.1, steps=0), r"steps must be a whole number of at least 1, got 0"),
     (lambda: schedules.cosine(-1.0, steps=5), r"learning_rate must be a number above 0, got -1.0"),
     (lambda: schedules.exponential(0.1, decay=1.5), r"decay must be a number above 0 and at most 1, got 1.5"),
     (lambda: schedules.one_cycle(0.1, steps=5, rise=1.0), r"rise must be a number above 0 and below 1"),
     (lambda: optimizers.adam(learning_rate="cosine"), r"must be a number above 0, or a schedule, got 'cosine'"),
     (lambda: optimizers.adam(schedules.linear), r"needs the numbers of the schedule, such as linear\(0.01"),
     (lambda: schedules.warm_up(lambda step: None, steps=2)(0), r"a schedule gives a rate for a step")],
)  # fmt: skip
def test_refusals(wrong, message):
    with pytest.raises(OptionError, match=message):
        wrong()


# in training ---------------------------------------------------------------------------------------------------------

X = np.ones((6, 1), "float32")


def moved(optimizer):
    """Train a weight whose gradient is 1 at every step; return how far it goes in each."""
    model = ax.input((None, 1)) | ax.dense(1, use_bias=False, kernel_initializer="zeros")

    def note(y_true, y_pred):
        return y_pred.reshape(-1)

    options = {"optimizer": optimizer, "epochs": 6, "batch_size": 6, "metrics": {"w": note}}
    trained = model.fit((X, X), loss=lambda y, p: p.mean(), **options)
    weights = [*trained.history["w"], trained.params["dense_0"]["kernel"].item()]
    return -np.diff(weights)


@pytest.mark.parametrize(
    "rate",
    [schedules.warm_up(schedules.cosine(0.1, steps=3), steps=3), schedules.one_cycle(0.1, steps=6),
     lambda step: 0.1 / (1 + step)],
    ids=["warm_up", "one_cycle", "function"],
)  # fmt: skip
def test_a_recorded_step_uses_the_rate_of_its_number(rate):
    steps = np.arange(6)
    expected = rate(steps) if isinstance(rate, schedules.Schedule) else 0.1 / (1 + steps)
    np.testing.assert_allclose(moved(optimizers.sgd(learning_rate=rate)), expected, rtol=1e-5, atol=1e-8)


def test_a_step_of_several_batches_is_one_step_of_the_schedule():
    rate = schedules.linear(0.1, steps=10)
    model = ax.input((None, 1)) | ax.dense(1, use_bias=False, kernel_initializer="zeros")
    rule = optimizers.sgd(learning_rate=rate, accumulate=2)
    trained = model.fit((X, X), loss=lambda y, p: p.mean(), optimizer=rule, batch_size=1)
    np.testing.assert_allclose(trained.params["dense_0"]["kernel"].item(), -rate(np.arange(3)).sum(), rtol=1e-5)
