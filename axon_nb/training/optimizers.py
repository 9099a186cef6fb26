"""Owns the optimizers: tinygrad's own, and those that ``rules.py`` adds.

Know nothing about models or the loop. All take the options that `Optimizer` names beside their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from tinygrad import Tensor, nn

from axon_nb.options import Epsilon, Flag, Real
from axon_nb.training import rules
from axon_nb.training.optimizer import Optimizer, as_optimizer, optimizer, optimizers
from axon_nb.training.schedules import LearningRate

__all__ = [
    "Optimizer", "adabelief", "adagrad", "adam", "adamw", "as_optimizer", "lamb", "lars", "muon", "optimizer",
    "optimizers", "radam", "rmsprop", "sgd", "yogi",
]  # fmt: skip

Share = Annotated[float, Real(minimum=0, below=1, help="Share of the old running value that is kept.", example=0.9)]
Decay = Annotated[float, Real(minimum=0, help="How strongly weights are pulled to zero.", example=0.01)]
Trust = Annotated[float, Real(above=0, help="Length of a step as a share of the weights' own.", example=0.001)]
Initial = Annotated[float, Real(minimum=0, help="What the running size begins with.", example=0.1)]
Nesterov = Annotated[bool, Flag(help="Whether momentum looks ahead.", example=True)]
Centered = Annotated[bool, Flag(help="Whether the running mean is taken off the running size.", example=True)]


def _tinygrad(kind: Callable[..., Any], tensors: list[Tensor], learning_rate: float, **options: Any) -> Any:
    return kind(tensors, lr=learning_rate, fused=False, **options)


@optimizer
def sgd(
    tensors: list[Tensor], learning_rate: LearningRate = 1e-2, momentum: Share = 0.0, nesterov: Nesterov = False,
    weight_decay: Decay = 0.0,
) -> Any:  # fmt: skip
    """Move each weight against its gradient, with a running mean of it where there is momentum.

    Source: Sutskever and others 2013, https://proceedings.mlr.press/v28/sutskever13.html

    Example:
        >>> sgd(learning_rate=0.05).options["learning_rate"]
        0.05
    """
    return _tinygrad(
        nn.optim.SGD, tensors, learning_rate, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay
    )


@optimizer
def adam(
    tensors: list[Tensor], learning_rate: LearningRate = 1e-3, beta1: Share = 0.9, beta2: Share = 0.999,
    epsilon: Epsilon = 1e-8,
) -> Any:  # fmt: skip
    """Move each weight by its running mean gradient over its running size.

    Source: Kingma and Ba 2014, https://arxiv.org/abs/1412.6980

    Example:
        >>> adam(learning_rate=0.05).options["learning_rate"]
        0.05
    """
    return _tinygrad(nn.optim.Adam, tensors, learning_rate, b1=beta1, b2=beta2, eps=epsilon)


@optimizer
def adamw(
    tensors: list[Tensor], learning_rate: LearningRate = 1e-3, beta1: Share = 0.9, beta2: Share = 0.999,
    epsilon: Epsilon = 1e-8, weight_decay: Decay = 0.01,
) -> Any:  # fmt: skip
    """Adam with weights pulled to zero apart from the gradient.

    From Axon it departs in that weights decay by default, as in PyTorch and Keras.

    Source: Loshchilov and Hutter 2017, https://arxiv.org/abs/1711.05101

    Example:
        >>> adamw(learning_rate=0.05).options["learning_rate"]
        0.05
    """
    return _tinygrad(nn.optim.AdamW, tensors, learning_rate, b1=beta1, b2=beta2, eps=epsilon, weight_decay=weight_decay)


@optimizer
def lamb(
    tensors: list[Tensor], learning_rate: LearningRate = 1e-2, beta1: Share = 0.9, beta2: Share = 0.999,
    epsilon: Epsilon = 1e-6, weight_decay: Decay = 0.0,
) -> Any:  # fmt: skip
    """AdamW with steps as long as the weights of a tensor are: for large batches.

    Source: You and others 2019, https://arxiv.org/abs/1904.00962

    Example:
        >>> lamb(learning_rate=0.05).options["learning_rate"]
        0.05
    """
    return _tinygrad(nn.optim.LAMB, tensors, learning_rate, b1=beta1, b2=beta2, eps=epsilon, weight_decay=weight_decay)


@optimizer
def lars(
    tensors: list[Tensor], learning_rate: LearningRate = 1e-3, momentum: Share = 0.9, nesterov: Nesterov = False,
    weight_decay: Decay = 1e-4, trust: Trust = 1e-3,
) -> Any:  # fmt: skip
    """SGD with steps as long as the weights of a tensor are: for large batches. Axon has none; defaults are tinygrad's.

    Source: You and others 2017, https://arxiv.org/abs/1708.03888

    Example:
        >>> lars(learning_rate=0.05).options["learning_rate"]
        0.05
    """
    options = {"momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay, "tcoef": trust}
    return _tinygrad(nn.optim.LARS, tensors, learning_rate, **options)


@optimizer
def muon(
    tensors: list[Tensor], learning_rate: LearningRate = 1e-3, momentum: Share = 0.95, nesterov: Nesterov = True,
    weight_decay: Decay = 0.1,
) -> Any:  # fmt: skip
    """SGD whose step for a matrix is made orthogonal; weights with one axis are changed by AdamW.

    Axon has none; defaults are tinygrad's and PyTorch's. The step is as large for every shape; PyTorch takes the rate
    times the root of rows / columns for a tensor that has more rows.

    Source: Jordan and others 2024, https://kellerjordan.github.io/posts/muon/

    Example:
        >>> muon(learning_rate=0.05).options["learning_rate"]
        0.05
    """
    matrices = [t for t in tensors if t.ndim >= 2]
    others = [t for t in tensors if t.ndim < 2]
    options = {"momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay}
    made = [_tinygrad(nn.optim.Muon, matrices, learning_rate, **options)] if matrices else []
    if others:
        made.append(_tinygrad(nn.optim.AdamW, others, learning_rate, weight_decay=weight_decay))
    return nn.optim.OptimizerGroup(*made)


@optimizer
def rmsprop(
    tensors: list[Tensor], learning_rate: LearningRate = 1e-2, decay: Share = 0.9, epsilon: Epsilon = 1e-8,
    momentum: Share = 0.0, centered: Centered = False, weight_decay: Decay = 0.0,
) -> Any:  # fmt: skip
    """Move each weight by its gradient over its running size.

    From Axon it departs in that epsilon is added after the root, as in PyTorch.

    Source: Tieleman and Hinton 2012, https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf

    Example:
        >>> rmsprop(learning_rate=0.05).options["learning_rate"]
        0.05
    """
    return rules.RMSProp(tensors, learning_rate, decay, epsilon, momentum, centered=centered, weight_decay=weight_decay)


@optimizer
def adagrad(
    tensors: list[Tensor], learning_rate: LearningRate = 1e-3, epsilon: Epsilon = 1e-7, initial: Initial = 0.1,
    weight_decay: Decay = 0.0,
) -> Any:  # fmt: skip
    """Move each weight by its gradient over the root of the sum of all its squares so far.

    From Axon it departs in that epsilon is added after the root, as in PyTorch.

    Source: Duchi and others 2011, https://jmlr.org/papers/v12/duchi11a.html

    Example:
        >>> adagrad(learning_rate=0.05).options["learning_rate"]
        0.05
    """
    return rules.AdaGrad(tensors, learning_rate, epsilon, initial, weight_decay)


@optimizer
def radam(
    tensors: list[Tensor], learning_rate: LearningRate = 1e-3, beta1: Share = 0.9, beta2: Share = 0.999,
    epsilon: Epsilon = 1e-8, weight_decay: Decay = 0.0,
) -> Any:  # fmt: skip
    """Adam that needs no warm-up: it divides by the running size only once that is known well enough.

    Source: Liu and others 2019, https://arxiv.org/abs/1908.03265

    Example:
        >>> radam(learning_rate=0.05).options["learning_rate"]
        0.05
    """
    return rules.RAdam(tensors, learning_rate, beta1, beta2, epsilon, weight_decay)


@optimizer
def yogi(
    tensors: list[Tensor], learning_rate: LearningRate = 1e-2, beta1: Share = 0.9, beta2: Share = 0.999,
    epsilon: Epsilon = 1e-3, initial: Initial = 1e-6, weight_decay: Decay = 0.0,
) -> Any:  # fmt: skip
    """Adam whose running size changes by no more than the square of the gradient, with Adam's correction of the bias.

    Source: Zaheer and others 2018, https://papers.nips.cc/paper/8186-adaptive-methods-for-nonconvex-optimization

    Example:
        >>> yogi(learning_rate=0.05).options["learning_rate"]
        0.05
    """
    return rules.Yogi(tensors, learning_rate, beta1, beta2, epsilon, weight_decay, decoupled=True, initial=initial)


@optimizer
def adabelief(
    tensors: list[Tensor], learning_rate: LearningRate = 1e-3, beta1: Share = 0.9, beta2: Share = 0.999,
    epsilon: Epsilon = 1e-16, weight_decay: Decay = 0.0,
) -> Any:  # fmt: skip
    """Adam that takes long steps where gradients are as expected.

    From Axon it departs in that it is not Adam under another name.

    Source: Zhuang and others 2020, https://arxiv.org/abs/2010.07468

    Example:
        >>> adabelief(learning_rate=0.05).options["learning_rate"]
        0.05
    """
    return rules.AdaBelief(tensors, learning_rate, beta1, beta2, epsilon, weight_decay, decoupled=True)
