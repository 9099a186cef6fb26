"""Owns running a recurrent cell over time in one kernel, and its gradient in another.

Knows nothing about which cells there are, nor about layers.

A Python loop over time gives tinygrad kernels of their own for every step: 97 s to compile a training step over 20
steps of an LSTM. Here the loop over time is inside the kernel, and compiling takes as long for any length.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

from tinygrad import Tensor, UOp, dtypes

from axon_nb.functional.scan_kernels import Cell, Kernels, Sizes
from axon_nb.functional.scan_serial import SerialKernels
from axon_nb.functional.scan_shared import SharedKernels

_SHARED_BYTES = 32768  # what the threads of a group can share on most GPUs
_SERIAL = ("CPU", "DSP")  # devices on which a kernel is one thread


def fits(cell: Cell, projected: Tensor, kernel: Tensor) -> bool:
    """Tell whether a scan can run where its tensors are: on a GPU, one sample's step must fit into shared memory."""
    if not isinstance(projected.device, str):
        return False
    shared = 4 * max(2, cell.gates) * _sizes(projected, kernel).items
    return _is_serial(projected.device) or shared <= _SHARED_BYTES


def scan(
    cell: Cell, projected: Tensor, kernel: Tensor, initial: Sequence[Tensor], *, bias: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Run a cell over time: one kernel, whatever the length.

    Gradients reach all tensors but the mask; gradients of gradients do not exist.

    Shapes:
        projected (time, batch, *spatial, gates * units), kernel (*window, units, gates * units),
        each of initial (batch, *spatial, units), bias (gates * units,), mask (time, batch), 0 where a step is left out
        -> (states, time + 1, batch, *spatial, units), the initial ones first

    Example:
        >>> total = Cell(lambda inputs, products, states: (inputs[0] + products[0],), gates=1, states=1)
        >>> ones = Tensor.ones(3, 1, 1)
        >>> scan(total, ones, Tensor([[2.0]]), [Tensor.zeros(1, 1)]).flatten().tolist()
        [0.0, 1.0, 3.0, 7.0]
    """
    sizes = _sizes(projected, kernel)
    dtype = dtypes.double if projected.dtype == dtypes.double else dtypes.float
    first = Tensor.stack(*(state.cast(dtype) for state in initial))
    rest = [tensor for tensor in (bias, mask) if tensor is not None]
    writer = SerialKernels if _is_serial(str(projected.device)) else SharedKernels
    kernels = writer(cell, sizes, dtype, biased=bias is not None, masked=mask is not None)
    states, products = (_empty(first, *shape) for shape in (sizes.states(cell.states), sizes.steps(cell.gates)))
    return Tensor.custom_kernel(
        states, products, projected, kernel, first, *rest,
        fxn=kernels.forward, grad_fxn=functools.partial(_gradient, kernels),
    )[0]  # fmt: skip


def _is_serial(device: str) -> bool:
    return device.partition(":")[0] in _SERIAL


def _sizes(projected: Tensor, kernel: Tensor) -> Sizes:
    time, batch, *spatial, _ = projected.shape
    return Sizes(batch, time, tuple(spatial), kernel.shape[-2], tuple(kernel.shape[:-2]))


def _empty(like: Tensor, *shape: int) -> Tensor:
    return Tensor.empty(*shape, dtype=like.dtype, device=like.device)


def _gradient(kernels: Kernels, gradient: UOp, call: UOp) -> tuple[UOp | None, ...]:
    """Return the gradients of what the forward kernel was called with: its results, then its inputs."""
    above, (_, _, projected, kernel, first, *rest) = Tensor(gradient), map(Tensor, call.src[1:])
    states, products = (Tensor(result.after(call)) for result in call.src[1:3])
    summed = (kernel, *rest[: kernels.biased])
    results = [_empty(first, *like.shape) for like in (products, products, first, *summed * kernels.sums_kernel)]
    inputs = [above, states, products, projected, kernel.transpose(-1, -2).contiguous(), *rest[kernels.biased :]]
    found = Tensor.custom_kernel(*results, *inputs, fxn=kernels.backward)[: len(results)]
    of_projected, of_products, carry, *sums = found
    if not sums:
        sums = [_of_kernel(kernels.sizes, states[0, :-1], of_products), of_products.flatten(0, -2).sum(0)]
    of_summed = (sum_.cast(like.dtype).uop for sum_, like in zip(sums, summed, strict=False))
    of_kernel, *of_bias = of_summed
    of_first = (carry + above[:, 0]).uop
    nothing = [None for _ in rest[kernels.biased :]]
    return (None, None, of_projected.cast(projected.dtype).uop, of_kernel, of_first, *of_bias, *nothing)


def _of_kernel(sizes: Sizes, outputs: Tensor, of_products: Tensor) -> Tensor:
    """Return the gradient of the kernel: outputs before each step times gradients of products, for each tap."""
    pads = [((span - 1) // 2, span // 2) for span in sizes.window]
    padded = outputs.pad((None, None, *pads, None))
    columns = of_products.flatten(0, -2)
    taps = []
    for tap in itertools.product(*map(range, sizes.window)):
        near = tuple(slice(start, start + size) for start, size in zip(tap, sizes.spatial, strict=True))
        taps.append(padded[(slice(None), slice(None), *near)].flatten(0, -2).transpose(0, 1) @ columns)
    return Tensor.stack(*taps).reshape(*sizes.window, *taps[0].shape)
