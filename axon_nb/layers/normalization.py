"""Declares normalisation."""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb import functional
from axon_nb.functional.normalization import moments
from axon_nb.layer import layer
from axon_nb.options import Channels, Epsilon, Initializer, Momentum
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
    running variance is the population's, as in Keras and Axon (PyTorch's is the sample's).

    Parameters are ``gamma`` and ``beta``, states ``mean`` and ``variance``, all (channels,).

    Source: Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167

    Example:
        >>> from axon_nb import batch_norm, input
        >>> list((input((None, 32, 26, 26)) | batch_norm(name="bn")).params)
        ['bn.gamma', 'bn.beta', 'bn.mean', 'bn.variance']
    """
    scope.expect(x, least=2, dtype="float")
    axis = 1 if channels == "first" else -1
    shape = (x.shape[axis],)
    gamma = scope.param("gamma", shape, gamma_initializer)
    beta = scope.param("beta", shape, beta_initializer)
    mean = scope.state("mean", shape, "zeros")
    variance = scope.state("variance", shape, "ones")
    if scope.training:
        now = moments(x, axis)
        scope.update("mean", momentum * mean + (1 - momentum) * now[0].detach())
        scope.update("variance", momentum * variance + (1 - momentum) * now[1].detach())
        mean, variance = now
    return functional.batch_norm(x, mean, variance, gamma, beta, epsilon=epsilon, axis=axis)
