"""Declares dropout and noise, which are there in training only."""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb import functional
from axon_nb.layer import layer
from axon_nb.options import Channels, Deviation, Rate
from axon_nb.scope import Scope


@layer(family="dropout")
def dropout(scope: Scope, x: Tensor, rate: Rate = 0.5) -> Tensor:
    """In training, put zeros in place of a share of the numbers and scale the rest up by 1 / (1 - rate).

    Shapes:
        any -> the same

    Source: Srivastava and others 2014, https://jmlr.org/papers/v15/srivastava14a.html

    Example:
        >>> from axon_nb import dropout, input
        >>> (input((None, 128)) | dropout(0.2)).output_shape
        (None, 128)
    """
    scope.expect(x, dtype="float")
    if not scope.training or rate == 0:
        return x
    return functional.dropout(x, scope.random(x.shape), rate=rate)


@layer(family="dropout")
def spatial_dropout(scope: Scope, x: Tensor, rate: Rate = 0.5, *, channels: Channels = "first") -> Tensor:
    """In training, put zeros in place of a share of the channels and scale the rest up by 1 / (1 - rate).

    Shapes:
        (batch, channels, *spatial) -> the same; with ``channels="last"`` (batch, *spatial, channels)

    Whole channels are dropped, as in PyTorch and Keras; Axon drops places, in all channels at once, and has its
    channels last by default.

    Source: Tompson and others 2015, https://arxiv.org/abs/1411.4280

    Example:
        >>> from axon_nb import input, spatial_dropout
        >>> (input((None, 32, 14, 14)) | spatial_dropout(0.2)).output_shape
        (None, 32, 14, 14)
    """
    scope.expect(x, least=3, dtype="float", fix="dropout() drops single features")
    if not scope.training or rate == 0:
        return x
    return functional.spatial_dropout(x, scope.random(_of_channels(x, channels)), rate=rate, channels=channels)


@layer(family="dropout")
def alpha_dropout(scope: Scope, x: Tensor, rate: Rate = 0.5) -> Tensor:
    """In training, put selu's floor in place of a share of the numbers, so that mean and variance stay: for selu.

    Shapes:
        any -> the same

    It scales and shifts as the paper and PyTorch do, a = (q + floor^2 * q * (1 - q))^(-1/2) with q = 1 - rate; Axon's
    a = (q * floor^2)^(-1/2) does not keep the variance.

    Source: Klambauer and others 2017, https://arxiv.org/abs/1706.02515

    Example:
        >>> from axon_nb import alpha_dropout, dense, input
        >>> selu = dense(64, "selu", kernel_initializer="lecun_normal")
        >>> (input((None, 128)) | selu | alpha_dropout(0.1)).output_shape
        (None, 64)
    """
    scope.expect(x, dtype="float")
    if not scope.training or rate == 0:
        return x
    return functional.alpha_dropout(x, scope.random(x.shape), rate=rate)


@layer(family="dropout")
def feature_alpha_dropout(scope: Scope, x: Tensor, rate: Rate = 0.5, *, channels: Channels = "first") -> Tensor:
    """In training, put selu's floor in place of a share of the channels, so that mean and variance stay: for selu.

    Shapes:
        (batch, channels, *spatial) -> the same; with ``channels="last"`` (batch, *spatial, channels)

    Whole channels are dropped and scaled as by ``alpha_dropout``, as in PyTorch; Axon puts -selu(x) in place of what it
    drops and does not shift, and has its channels last by default.

    Source: Klambauer and others 2017, https://arxiv.org/abs/1706.02515

    Example:
        >>> from axon_nb import feature_alpha_dropout, input
        >>> (input((None, 32, 14, 14)) | feature_alpha_dropout(0.1)).output_shape
        (None, 32, 14, 14)
    """
    scope.expect(x, least=3, dtype="float", fix="alpha_dropout() drops single features")
    if not scope.training or rate == 0:
        return x
    return functional.feature_alpha_dropout(x, scope.random(_of_channels(x, channels)), rate=rate, channels=channels)


@layer(family="dropout")
def gaussian_noise(scope: Scope, x: Tensor, stddev: Deviation) -> Tensor:
    """In training, add normal noise. Axon has no such layer; it is Keras's GaussianNoise.

    Shapes:
        any -> the same

    Source: Bishop 1995, https://doi.org/10.1162/neco.1995.7.1.108

    Example:
        >>> from axon_nb import gaussian_noise, input
        >>> (input((None, 128)) | gaussian_noise(0.1)).output_shape
        (None, 128)
    """
    scope.expect(x, dtype="float")
    if not scope.training or stddev == 0:
        return x
    return functional.gaussian_noise(x, scope.normal(x.shape), stddev=stddev)


@layer(family="dropout")
def gaussian_dropout(scope: Scope, x: Tensor, rate: Rate = 0.5) -> Tensor:
    """In training, multiply by normal noise around 1 that has the variance of dropout: rate / (1 - rate).

    Shapes:
        any -> the same

    Axon has no such layer; it is Keras's GaussianDropout.

    Source: Srivastava and others 2014, section 10, https://jmlr.org/papers/v15/srivastava14a.html

    Example:
        >>> from axon_nb import gaussian_dropout, input
        >>> (input((None, 128)) | gaussian_dropout(0.2)).output_shape
        (None, 128)
    """
    scope.expect(x, dtype="float")
    if not scope.training or rate == 0:
        return x
    return functional.gaussian_dropout(x, scope.normal(x.shape), rate=rate)


def _of_channels(x: Tensor, channels: str) -> tuple[int, int]:
    return x.shape[0], x.shape[1 if channels == "first" else -1]
