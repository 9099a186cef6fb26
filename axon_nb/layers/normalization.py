"""Declares normalisation."""

from __future__ import annotations

from typing import Any

from tinygrad import Tensor

from axon_nb import functional
from axon_nb.functional.axes import some_axes
from axon_nb.functional.normalization import moments
from axon_nb.layer import layer
from axon_nb.options import Channels, Epsilon, Groups, Initializer, Momentum, Shift, SomeAxes, Upcast
from axon_nb.scope import Scope


@layer(family="normalization")
def batch_norm(
    scope: Scope, x: Tensor, *, momentum: Momentum = 0.9, epsilon: Epsilon = 1e-5, channels: Channels = "first",
    gamma_initializer: Initializer = "ones", beta_initializer: Initializer = "zeros",
) -> Tensor:  # fmt: skip
    """Normalise each channel over the batch, then scale and shift it.

    Shapes:
        (batch, channels, ...) -> the same; with ``channels="last"`` (batch, ..., channels)

    In training it uses the batch's mean and variance, and moves the running ones towards them:
    ``running = momentum * running + (1 - momentum) * batch``. Otherwise it uses the running ones. Gamma starts at ones
    as in PyTorch and Keras (Axon draws it), momentum is the share that is kept (PyTorch's is the share replaced), the
    running variance is the population's, as in Keras and Axon (PyTorch's is the sample's). Axon keeps a share of 0.1
    and has its channels last by default.

    Parameters are ``gamma`` and ``beta``, states ``mean`` and ``variance``, all (channels,).

    Source: Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167

    Example:
        >>> from axon_nb import batch_norm, input
        >>> list((input((None, 32, 26, 26)) | batch_norm(name="bn")).params)
        ['bn.gamma', 'bn.beta', 'bn.mean', 'bn.variance']
    """
    scope.expect(x, least=2, dtype="float")
    axis = 1 if channels == "first" else -1
    gamma, beta = _gamma_beta(scope, x, channels, gamma_initializer, beta_initializer)
    mean = scope.state("mean", (x.shape[axis],), "zeros")
    variance = scope.state("variance", (x.shape[axis],), "ones")
    if scope.training:
        now = moments(x, axis)
        scope.update("mean", momentum * mean + (1 - momentum) * now[0].detach())
        scope.update("variance", momentum * variance + (1 - momentum) * now[1].detach())
        mean, variance = now
    return functional.batch_norm(x, mean, variance, gamma, beta, epsilon=epsilon, axis=axis)


@layer(family="normalization")
def layer_norm(
    scope: Scope, x: Tensor, *, axis: SomeAxes = -1, epsilon: Epsilon = 1e-5, gamma_initializer: Initializer = "ones",
    beta_initializer: Initializer = "zeros",
) -> Tensor:  # fmt: skip
    """Normalise each sample over one axis or several, then scale and shift each of their cells.

    Shapes:
        (batch, ...) -> the same

    Parameters are ``gamma`` and ``beta``, the sizes of the axes in order. Gamma starts at ones as in PyTorch and Keras
    (Axon draws it); Axon takes one axis only.

    Source: Ba, Kiros and Hinton 2016, https://arxiv.org/abs/1607.06450

    Example:
        >>> from axon_nb import input, layer_norm
        >>> (input((None, "time", 64)) | layer_norm(name="norm")).params
        {'norm.gamma': (64,), 'norm.beta': (64,)}
    """
    scope.expect(x, least=2, dtype="float")
    sizes = _sizes(x, axis)
    gamma = scope.param("gamma", sizes, gamma_initializer)
    beta = scope.param("beta", sizes, beta_initializer)
    return functional.layer_norm(x, gamma, beta, axis=axis, epsilon=epsilon)


@layer(family="normalization")
def group_norm(
    scope: Scope, x: Tensor, groups: Groups, *, epsilon: Epsilon = 1e-5, channels: Channels = "first",
    gamma_initializer: Initializer = "ones", beta_initializer: Initializer = "zeros",
) -> Tensor:  # fmt: skip
    """Normalise each sample over groups of channels and all of space, then scale and shift each channel.

    Shapes:
        (batch, channels, ...) -> the same; with ``channels="last"`` (batch, ..., channels)

    Parameters are ``gamma`` and ``beta`` (channels,). Axon's channels are last by default.

    Source: Wu and He 2018, https://arxiv.org/abs/1803.08494

    Example:
        >>> from axon_nb import group_norm, input
        >>> (input((None, 32, "height", "width")) | group_norm(8)).output_shape
        (None, 32, 'height', 'width')
    """
    scope.expect(x, least=2, dtype="float")
    gamma, beta = _gamma_beta(scope, x, channels, gamma_initializer, beta_initializer)
    return functional.group_norm(x, gamma, beta, groups=groups, epsilon=epsilon, channels=channels)


@layer(family="normalization")
def instance_norm(
    scope: Scope, x: Tensor, *, epsilon: Epsilon = 1e-5, channels: Channels = "first",
    gamma_initializer: Initializer = "ones", beta_initializer: Initializer = "zeros",
) -> Tensor:  # fmt: skip
    """Normalise each channel of each sample over space, then scale and shift it.

    Shapes:
        (batch, channels, *spatial) -> the same; with ``channels="last"`` (batch, *spatial, channels)

    It looks at the sample in training and after it, and keeps no running values: so do PyTorch (by default) and Keras;
    Axon keeps some, in a shape that the second step of training refuses. Gamma starts at ones (Axon draws it); Axon's
    channels are last by default.

    Parameters are ``gamma`` and ``beta`` (channels,).

    Source: Ulyanov, Vedaldi and Lempitsky 2016, https://arxiv.org/abs/1607.08022

    Example:
        >>> from axon_nb import input, instance_norm
        >>> (input((None, 32, "height", "width")) | instance_norm(name="norm")).params
        {'norm.gamma': (32,), 'norm.beta': (32,)}
    """
    scope.expect(x, least=3, dtype="float", fix="layer_norm() normalises features")
    gamma, beta = _gamma_beta(scope, x, channels, gamma_initializer, beta_initializer)
    return functional.instance_norm(x, gamma, beta, epsilon=epsilon, channels=channels)


@layer(family="normalization")
def rms_norm(
    scope: Scope, x: Tensor, *, axis: SomeAxes = -1, epsilon: Epsilon = 1e-6, shift: Shift = 0.0,
    upcast: Upcast = "normalization", gamma_initializer: Initializer = "ones",
) -> Tensor:  # fmt: skip
    """Divide each sample by the root of its mean square over one axis or several, then scale by shift + gamma.

    Shapes:
        (batch, ...) -> the same

    Its parameter is ``gamma``, the sizes of the axes in order. With a ``shift`` of 1 start gamma at zeros. Axon takes
    one axis only.

    Source: Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467

    Example:
        >>> from axon_nb import input, rms_norm
        >>> (input((None, "time", 64)) | rms_norm(name="norm")).params
        {'norm.gamma': (64,)}
    """
    scope.expect(x, least=2, dtype="float")
    gamma = scope.param("gamma", _sizes(x, axis), gamma_initializer)
    return functional.rms_norm(x, gamma, axis=axis, epsilon=epsilon, shift=shift, upcast=upcast)


def _sizes(x: Tensor, axis: int | tuple[int, ...]) -> tuple[int, ...]:
    return tuple(x.shape[one] for one in sorted(some_axes(x, axis)))


def _gamma_beta(
    scope: Scope, x: Tensor, channels: str, gamma_initializer: Any, beta_initializer: Any
) -> tuple[Tensor, Tensor]:
    shape = (x.shape[1 if channels == "first" else -1],)
    return scope.param("gamma", shape, gamma_initializer), scope.param("beta", shape, beta_initializer)
