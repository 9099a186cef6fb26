"""Owns rules for changing weights that tinygrad does not have, as optimizers of its kind.

Knows nothing about names, schedules or clipping.
"""

from __future__ import annotations

from tinygrad import Tensor, nn


class Rule(nn.optim.Optimizer):
    """A rule that says how far to move, in units of the learning rate; weight decay is added here.

    Args:
        params: the weights.
        learning_rate: how far each step goes.
        weight_decay: how strongly weights are pulled to zero.
        decoupled: whether the pull is beside the gradient (as in AdamW) instead of part of it.
    """

    def __init__(
        self, params: list[Tensor], learning_rate: float, weight_decay: float = 0.0, *, decoupled: bool = False
    ) -> None:
        super().__init__(params, learning_rate, fused=False)
        self.weight_decay, self.decoupled = weight_decay, decoupled

    def move(self, index: int, gradient: Tensor) -> Tensor:
        """Say how far to move a weight against its gradient; note in the rule's tensors what later steps need."""
        raise NotImplementedError

    def begin(self) -> list[Tensor]:
        """Count the step; return the tensors that this changes."""
        return []

    def kept(self) -> list[Tensor]:
        """Return the tensors that `move` changes."""
        raise NotImplementedError

    def _step(self, params: list[Tensor], grads: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        counted = self.begin()
        moves = []
        for index, (weight, gradient) in enumerate(zip(params, grads, strict=True)):
            pull = self.weight_decay * weight.detach() if self.weight_decay else None
            far = self.move(index, (gradient if pull is None or self.decoupled else gradient + pull).cast("float32"))
            if pull is not None and self.decoupled:
                far = far + pull
            moves.append((self.lr * far).cast(weight.dtype))
        return moves, [*counted, *self.kept()]

    def full(self, value: float) -> list[Tensor]:
        """Make a tensor for each weight."""
        return [Tensor.full(t.shape, value, dtype=self.param_dtype, device=self.device) for t in self.params]


class RMSProp(Rule):
    """Divide the gradient by its running size."""

    def __init__(
        self, params: list[Tensor], learning_rate: float, decay: float, epsilon: float, momentum: float, *,
        centered: bool, weight_decay: float,
    ) -> None:  # fmt: skip
        super().__init__(params, learning_rate, weight_decay)
        self.decay, self.epsilon, self.momentum = decay, epsilon, momentum
        self.squares = self.full(0)
        self.means = self.full(0) if centered else []
        self.moved = self.full(0) if momentum else []

    def move(self, index: int, gradient: Tensor) -> Tensor:
        """Divide by the root of the running square (less the square of the running mean, where centered)."""
        size = _run(self.squares[index], gradient.square(), self.decay)
        if self.means:
            size = (size - _run(self.means[index], gradient, self.decay).square()).maximum(0)
        far = gradient / (size.sqrt() + self.epsilon)
        return self.moved[index].assign(self.momentum * self.moved[index] + far) if self.moved else far

    def kept(self) -> list[Tensor]:
        """Return the running squares, means and moves."""
        return [*self.squares, *self.means, *self.moved]


class AdaGrad(Rule):
    """Divide the gradient by the root of the sum of all squares so far."""

    def __init__(
        self, params: list[Tensor], learning_rate: float, epsilon: float, initial: float, weight_decay: float
    ) -> None:
        super().__init__(params, learning_rate, weight_decay)
        self.epsilon = epsilon
        self.squares = self.full(initial)

    def move(self, index: int, gradient: Tensor) -> Tensor:
        """Add the square to the sum and divide by its root."""
        total = self.squares[index].assign(self.squares[index] + gradient.square())
        return gradient / (total.sqrt() + self.epsilon)

    def kept(self) -> list[Tensor]:
        """Return the sums of squares."""
        return self.squares


class Moments(Rule):
    """What Adam's relatives share: running means of the gradient and of its size, both without their bias to zero."""

    def __init__(
        self, params: list[Tensor], learning_rate: float, beta1: float, beta2: float, epsilon: float,
        weight_decay: float = 0.0, *, decoupled: bool = False, initial: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(params, learning_rate, weight_decay, decoupled=decoupled)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.means, self.sizes = self.full(0), self.full(initial)
        # 1 + beta + beta**2 ...: times 1 - beta it is 1 - beta**step, which subtracted would lose its digits.
        self.ages = [Tensor([0.0], device=self.device).is_param_(False) for _ in (beta1, beta2)]

    def begin(self) -> list[Tensor]:
        """Make the running means a step older."""
        for age, beta in zip(self.ages, (self.beta1, self.beta2), strict=True):
            age.assign(1 + beta * age)
        return self.ages

    def kept(self) -> list[Tensor]:
        """Return both running means."""
        return [*self.means, *self.sizes]

    def mean(self, index: int, gradient: Tensor) -> Tensor:
        """Take the running mean of the gradient further; return it without its bias."""
        return _run(self.means[index], gradient, self.beta1) / self.share_of(0)

    def share_of(self, which: int) -> Tensor:
        """Return 1 - beta**step of the first or second running mean."""
        return (1 - (self.beta1, self.beta2)[which]) * self.ages[which]


class RAdam(Moments):
    """Adam that divides by the running size only once that is known well enough."""

    def __init__(
        self, params: list[Tensor], learning_rate: float, beta1: float, beta2: float, epsilon: float,
        weight_decay: float,
    ) -> None:  # fmt: skip
        super().__init__(params, learning_rate, beta1, beta2, epsilon, weight_decay)
        self.count = Tensor([0.0], device=self.device).is_param_(False)

    def begin(self) -> list[Tensor]:
        """Count the step as well."""
        self.count.assign(self.count + 1)
        return [*super().begin(), self.count]

    def move(self, index: int, gradient: Tensor) -> Tensor:
        """Move by the mean; once the variance of the size is finite, by the mean over the size, rectified."""
        mean = self.mean(index, gradient)
        size = _run(self.sizes[index], gradient.square(), self.beta2)
        share = self.share_of(1)
        most = 2 / (1 - self.beta2) - 1
        known = most - 2 * self.count * (1 / share - 1)
        safe = known.maximum(5)
        rectified = ((safe - 4) * (safe - 2) * most / ((most - 4) * (most - 2) * safe)).sqrt()
        return mean * (known > 5).where(rectified * share.sqrt() / (size.sqrt() + self.epsilon), 1)


class Yogi(Moments):
    """Adam whose running size grows and shrinks by no more than the square of the gradient."""

    def move(self, index: int, gradient: Tensor) -> Tensor:
        """Move by the mean over the root of the size."""
        square, size = gradient.square(), self.sizes[index]
        size = size.assign(size - (1 - self.beta2) * (size - square).sign() * square)
        return self.mean(index, gradient) / ((size / self.share_of(1)).sqrt() + self.epsilon)


class AdaBelief(Moments):
    """Adam that divides by how far gradients are from their running mean."""

    def move(self, index: int, gradient: Tensor) -> Tensor:
        """Move by the mean over the root of the running squared surprise."""
        mean = self.mean(index, gradient)
        surprise = (gradient - self.means[index]).square()
        size = self.sizes[index]
        size = size.assign(self.beta2 * size + (1 - self.beta2) * surprise + self.epsilon)
        return mean / ((size / self.share_of(1)).sqrt() + self.epsilon)


def _run(mean: Tensor, value: Tensor, kept: float) -> Tensor:
    return mean.assign(kept * mean + (1 - kept) * value)
