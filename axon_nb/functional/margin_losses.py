"""Owns losses that ask for a margin: between yes and no, between two rankings, between like and unlike.

Knows nothing about probabilities or training. At the kink the gradient is 0, as in PyTorch.
"""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb.errors import DataError
from axon_nb.functional.activations import softplus
from axon_nb.functional.loss import Reduction, loss, matched, per_sample, reduce, wide

Triple = tuple[Tensor, Tensor, Tensor]


@loss(labels="signs")
def hinge(y_true: Tensor, y_pred: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Take the mean of max(0, 1 - y_true * y_pred) along the last axis. Labels are -1 and 1.

    From Axon it departs in that the reduction is "mean" by default.

    Shapes:
        y_true, y_pred (batch, ..., outputs) -> () or (batch, ...)

    Source: https://keras.io/api/losses/hinge_losses/#hinge-class

    Example:
        >>> hinge(Tensor([[1.0, -1.0]]), Tensor([[0.5, -2.0]])).item()
        0.25
    """
    true, pred = matched(y_true, y_pred)
    return reduce(per_sample((1 - true * pred).relu()), reduction)


@loss(labels="signs")
def soft_margin(y_true: Tensor, y_pred: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Take log(1 + exp(-y_true * y_pred)): a hinge without a kink. Labels are -1 and 1.

    From Axon it departs in that the reduction is "mean" by default, and that "none" gives a number for each output,
    as PyTorch does (Axon sums over the batch).

    Shapes:
        y_true, y_pred (batch, ..., outputs) -> () or (batch, ..., outputs)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.SoftMarginLoss.html

    Example:
        >>> round(soft_margin(Tensor([[1.0]]), Tensor([[0.0]])).item(), 4)
        0.6931
    """
    true, pred = matched(y_true, y_pred)
    return reduce(softplus(-true * pred), reduction)


@loss(labels="signs")
def margin_ranking(
    y_true: Tensor, y_pred: tuple[Tensor, Tensor], *, margin: float = 0.0, reduction: Reduction = "mean"
) -> Tensor:
    """Take max(0, margin - y_true * (first - second)): which of two should have the larger number.

    From Axon it departs in that the reduction is "mean" by default.

    Shapes:
        y_true, and both of y_pred, (batch, ...) -> () or (batch, ...)

    Args:
        y_true: 1 where the first should be larger, -1 where the second should.
        y_pred: the two numbers.
        margin: by how much, at least.
        reduction: over the samples.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MarginRankingLoss.html

    Example:
        >>> margin_ranking(Tensor([1.0, 1.0]), (Tensor([2.0, 0.0]), Tensor([1.0, 0.5])), reduction="none").tolist()
        [0.0, 0.5]
    """
    first, second = _parts(y_pred, 2, "margin_ranking compares two outputs: y_pred=(first, second)")
    true, difference = matched(y_true, wide(first) - wide(second))
    return reduce((margin - true * difference).relu(), reduction)


@loss(labels="groups", by_sample=False)
def triplet(
    y_true: Tensor | None, y_pred: Tensor | Triple, *, margin: float = 1.0, epsilon: float = 1e-6,
    reduction: Reduction = "mean",
) -> Tensor:  # fmt: skip
    """Take max(0, margin + distance to what is alike - distance to what is not): for learning to tell things apart.

    From one output, each sample of a batch is compared with the farthest one of its own group and the nearest one of
    another ("batch hard"); it has no loss where one of these is missing. Three outputs are compared as they are.
    Axon has none.

    Shapes:
        y_true (batch,) of group numbers, y_pred (batch, features); or y_pred three of (batch, features), y_true unused
        -> () or (batch,)

    Args:
        y_true: which samples belong together.
        y_pred: embeddings; or the triple (anchor, positive, negative).
        margin: how much farther off the unlike should be.
        epsilon: added to differences, to keep the gradient of a distance of 0 finite.
        reduction: over the samples.

    Source: Schroff and others 2015, https://arxiv.org/abs/1503.03832; Hermans and others 2017,
        https://arxiv.org/abs/1703.07737

    Example:
        >>> round(triplet(None, (Tensor([[0.0]]), Tensor([[1.0]]), Tensor([[1.5]]))).item(), 4)
        0.5
        >>> triplet(Tensor([0, 0, 1]), Tensor([[0.0], [1.0], [9.0]]), reduction="none").tolist()
        [0.0, 0.0, 0.0]
    """
    if isinstance(y_pred, Tensor):
        return reduce(_hardest(y_true, wide(y_pred), margin, epsilon), reduction)
    anchor, positive, negative = map(wide, _parts(y_pred, 3, "triplet takes embeddings, or three of them"))
    gap = _distance(anchor - positive, epsilon) - _distance(anchor - negative, epsilon)
    return reduce((gap + margin).relu(), reduction)


def _hardest(groups: Tensor | None, x: Tensor, margin: float, epsilon: float) -> Tensor:
    if groups is None or groups.numel() != x.shape[0] or x.ndim != 2:
        problem = "triplet needs a group number for each sample, and a row of features"
        got = f"labels {None if groups is None else tuple(groups.shape)}, output {tuple(x.shape)}"
        raise DataError(problem, got=got)
    row = groups.reshape(1, -1)
    alike = row == row.transpose()
    itself = Tensor.arange(int(x.shape[0])).reshape(1, -1) == Tensor.arange(int(x.shape[0])).reshape(-1, 1)
    distance = _distance(x.unsqueeze(1) - x.unsqueeze(0), epsilon)
    others = alike & itself.logical_not()
    farthest = others.where(distance, 0).max(1)
    nearest = alike.where(float("inf"), distance).min(1)
    has_both = others.any(1) & alike.logical_not().any(1)
    return has_both.where(farthest - has_both.where(nearest, 0) + margin, 0).relu()


def _distance(difference: Tensor, epsilon: float) -> Tensor:
    return (difference + epsilon).square().sum(-1).sqrt()


def _parts(y_pred: object, count: int, problem: str) -> tuple[Tensor, ...]:
    if not isinstance(y_pred, tuple | list) or len(y_pred) != count:
        got = f"{len(y_pred)} outputs" if isinstance(y_pred, tuple | list) else "one output"
        raise DataError(problem, got=got)
    return tuple(y_pred)
