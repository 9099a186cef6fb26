"""Twins of convolution, pooling and normalisation."""

import functools

import numpy as np
from twins import placed, torch, twin

F = torch.nn.functional

# convolution ----------------------------------------------------------------------------------------------------------

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def _window(draw, axes):
    """A kernel, strides, dilation and sizes in which it fits, and padding in our words and as pairs."""
    kernel, strides, dilation = (draw.per_axis(axes, 1, most) for most in (3, 3, 2))
    span = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    spatial = tuple(n + draw.int(0, 3) for n in span)
    pairs = [(draw.int(0, 2), draw.int(0, 2)) for _ in range(axes)]
    kind = draw.of("valid", "same", "number", "pairs")
    if kind == "same":
        totals = [max((-(-n // s) - 1) * s + w - n, 0) for n, s, w in zip(spatial, strides, span, strict=True)]
        pairs = [(total // 2, total - total // 2) for total in totals]
    elif kind != "pairs":
        pairs = [(int(kind == "number"),) * 2] * axes
    padding = {"number": 1, "pairs": pairs}.get(kind, kind)
    return {"kernel_size": kernel, "strides": strides, "dilation": dilation, "padding": padding}, spatial, pairs


def _padded(x, pairs):
    return F.pad(x, [cell for pair in reversed(pairs) for cell in pair])


@twin("conv")
def _conv(draw):
    axes, groups = draw.int(1, 3), draw.int(1, 2)
    options, spatial, pairs = _window(draw, axes)
    strides, dilation, use_bias = options["strides"], options["dilation"], draw.of(True, False)

    def theirs(x, kernel, bias=None):
        return CONV[axes](_padded(x, pairs), kernel, bias, stride=strides, dilation=dilation, groups=groups)

    inputs, layout, theirs = placed(draw, draw.maps(groups * draw.int(1, 2), spatial), theirs)
    units = groups * draw.int(1, 2)
    return inputs, {**options, **layout, "units": units, "groups": groups, "use_bias": use_bias}, theirs


@twin("conv_transpose")
def _conv_transpose(draw):
    axes, groups = draw.int(1, 3), draw.int(1, 2)
    kernel, strides, dilation = (draw.per_axis(axes, 1, most) for most in (3, 3, 2))
    span = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = draw.int(0, (min(span) - 1) // 2)
    more = tuple(draw.int(0, max(s, d) - 1) for s, d in zip(strides, dilation, strict=True))

    def theirs(x, kernel, bias=None):
        return CONV_TRANSPOSE[axes](
            x, kernel, bias, stride=strides, padding=padding, output_padding=more, dilation=dilation, groups=groups
        )

    inputs, layout, theirs = placed(draw, draw.maps(groups * draw.int(1, 2), draw.per_axis(axes, 1, 4)), theirs)
    options = {"kernel_size": kernel, "strides": strides, "dilation": dilation, "padding": padding}
    return inputs, {**options, **layout, "output_padding": more, "units": groups * 2, "groups": groups}, theirs


@twin("depthwise_conv")
def _depthwise_conv(draw):
    axes, within = draw.int(1, 3), draw.int(1, 3)
    options, spatial, pairs = _window(draw, axes)
    strides, dilation = options["strides"], options["dilation"]

    def theirs(x, kernel, bias):
        return CONV[axes](_padded(x, pairs), kernel, bias, stride=strides, dilation=dilation, groups=within)

    inputs, layout, theirs = placed(draw, draw.maps(within, spatial), theirs)
    return inputs, {**options, **layout, "multiplier": draw.int(1, 2)}, theirs


@twin("separable_conv")
def _separable_conv(draw):
    axes, within = draw.int(1, 2), draw.int(1, 3)
    options, spatial, pairs = _window(draw, axes)
    strides, dilation = options["strides"], options["dilation"]

    def theirs(x, depthwise_kernel, pointwise_kernel, bias):
        deep = CONV[axes](_padded(x, pairs), depthwise_kernel, stride=strides, dilation=dilation, groups=within)
        return CONV[axes](deep, pointwise_kernel, bias)

    inputs, layout, theirs = placed(draw, draw.maps(within, spatial), theirs)
    return inputs, {**options, **layout, "multiplier": draw.int(1, 2), "units": draw.int(1, 3)}, theirs


@twin("spatial_separable_conv")
def _spatial_separable_conv(draw):
    axes, within = draw.int(1, 3), draw.int(1, 2)
    kernel, strides = draw.per_axis(axes, 1, 3), draw.per_axis(axes, 1, 2)

    def theirs(x, **weights):
        for axis in range(axes):
            own = [s if i == axis else 1 for i, s in enumerate(strides)]
            factor, bias = weights[f"kernel_{axis + 1}"], weights[f"bias_{axis + 1}"]
            x = CONV[axes](x, factor, bias, stride=own, groups=x.shape[1])
        return x

    spatial = tuple(k + draw.int(0, 3) for k in kernel)
    inputs, layout, theirs = placed(draw, draw.maps(within, spatial), theirs)
    return inputs, {**layout, "multiplier": 1, "kernel_size": kernel, "strides": strides, "factors": "own_axis"}, theirs


# pooling --------------------------------------------------------------------------------------------------------------


def _pool(kind, draw):
    axes = draw.int(1, 3)
    size = draw.per_axis(axes, 1, 3)
    strides, dilation = draw.per_axis(axes, 1, 3), draw.per_axis(axes, 1, 2) if kind == "max" else (1,) * axes
    padding = 0 if kind == "lp" else draw.int(0, min(size) // 2)
    spatial = tuple((k - 1) * d + 1 + draw.int(0, 3) for k, d in zip(size, dilation, strict=True))
    options = {"kernel_size": size, "strides": strides}
    if kind == "lp":
        norm = draw.of(1, 2, 3, 2.5)
        pool = getattr(F, f"lp_pool{axes}d")

        def theirs(x):
            return pool(x, norm, size[0], strides[0]) if axes == 1 else pool(x, norm, size, strides)

        x = np.abs(draw.maps(2, spatial)) + 0.1
        options["norm"] = norm
    elif kind == "max":
        pool = getattr(F, f"max_pool{axes}d")

        def theirs(x):
            return pool(x, size, strides, padding, dilation)

        x, options = draw.maps(2, spatial), {**options, "padding": padding, "dilation": dilation}
    else:
        counted = draw.of(True, False)
        pool = getattr(F, f"avg_pool{axes}d")

        def theirs(x):
            return pool(x, size, strides, padding, count_include_pad=counted)

        x, options = draw.maps(2, spatial), {**options, "padding": padding, "count_padding": counted}
    inputs, layout, theirs = placed(draw, x, theirs)
    return inputs, {**options, **layout}, theirs


for _kind in ("max", "avg", "lp"):
    twin(f"{_kind}_pool")(functools.partial(_pool, _kind))


@twin("blur_pool")
def _blur_pool(draw):
    axes, channels = draw.int(1, 3), draw.int(1, 3)
    strides = draw.per_axis(axes, 1, 2)
    row = torch.tensor([0.25, 0.5, 0.25])
    kernel = functools.reduce(lambda a, b: a[..., None] * b, [row] * axes).expand(channels, 1, *[3] * axes)
    inputs, layout, theirs = placed(
        draw, draw.maps(channels, draw.per_axis(axes, 3, 6)),
        lambda x: CONV[axes](x, kernel, stride=strides, groups=channels),
    )  # fmt: skip
    return inputs, {**layout, "strides": strides}, theirs


def _adaptive(kind, draw):
    axes = draw.int(1, 3)
    size, spatial = draw.per_axis(axes, 1, 4), draw.per_axis(axes, 1, 6)
    pool = getattr(F, f"adaptive_{kind}_pool{axes}d")
    inputs, layout, theirs = placed(draw, draw.maps(2, spatial), lambda x: pool(x, size))
    return inputs, {**layout, "output_size": size}, theirs


for _kind in ("avg", "max"):
    twin(f"adaptive_{_kind}_pool")(functools.partial(_adaptive, _kind))

GLOBAL = {
    "avg": lambda x, axes, keep: x.mean(axes, keepdim=keep),
    "max": lambda x, axes, keep: x.amax(axes, keepdim=keep),
    "lp": lambda x, axes, keep: torch.linalg.vector_norm(x, 2, axes, keepdim=keep),
}


def _global(kind, draw):
    spatial, keep, last = draw.shape(1, 3), draw.of(True, False), draw.of(True, False)
    x = draw.numbers(2, *spatial, 3) if last else draw.numbers(2, 3, *spatial)
    axes = tuple(range(1, x.ndim - 1)) if last else tuple(range(2, x.ndim))
    options = {"keep_axes": keep, "channels": "last" if last else "first"}
    return [x], options, lambda x: GLOBAL[kind](x, axes, keep)


for _kind in GLOBAL:
    twin(f"global_{_kind}_pool")(functools.partial(_global, _kind))


# normalisation --------------------------------------------------------------------------------------------------------


@twin("batch_norm")
def _batch_norm(draw):
    x = draw.maps(draw.int(1, 3), draw.shape(0, 3), batch=draw.int(4, 6))
    epsilon = draw.of(1e-5, 1e-3)
    inputs, layout, theirs = placed(
        draw, x, lambda x, gamma, beta: F.batch_norm(x, None, None, gamma, beta, training=True, eps=epsilon)
    )  # fmt: skip
    return inputs, {**layout, "epsilon": epsilon}, theirs


@twin("layer_norm")
def _layer_norm(draw):
    x = draw.numbers(*draw.shape(1, 2), draw.int(2, 4), draw.int(4, 6))
    axis = draw.of(-1, (-2, -1), (x.ndim - 1, x.ndim - 2))
    axis = axis if x.ndim > 2 else -1
    return [x], {"axis": axis}, lambda x, gamma, beta: F.layer_norm(x, gamma.shape, gamma, beta)


@twin("group_norm")
def _group_norm(draw):
    groups = draw.int(1, 3)
    x = draw.maps(groups * draw.int(1, 2), (4, *draw.shape(0, 2)))
    inputs, layout, theirs = placed(draw, x, lambda x, gamma, beta: F.group_norm(x, groups, gamma, beta))
    return inputs, {**layout, "groups": groups}, theirs


@twin("instance_norm")
def _instance_norm(draw):
    x = draw.maps(draw.int(1, 3), (4, *draw.shape(0, 2)))
    return placed(draw, x, lambda x, gamma, beta: F.instance_norm(x, weight=gamma, bias=beta))


@twin("rms_norm")
def _rms_norm(draw):
    x = draw.numbers(*draw.shape(2, 4))
    axis = draw.of(-1, (-2, -1)) if x.ndim > 2 else -1
    return [x], {"axis": axis}, lambda x, gamma: F.rms_norm(x, gamma.shape, gamma, eps=1e-6)
