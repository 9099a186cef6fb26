"""Owns running a recurrent cell over time in one kernel, and its gradient in another.

Knows nothing about which cells there are, nor about layers.

A Python loop over time gives tinygrad kernels of their own for every step: 97 s to compile a training step over 20
steps of an LSTM. Here the loop over time is inside the kernel, and compiling takes as long for any length.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence

from tinygrad import Tensor, UOp, dtypes
from tinygrad.helpers import NUM_CPU_THREADS, getenv

from axon_nb.functional.scan_cell import Cell, Sizes
from axon_nb.functional.scan_kernels import Kernels
from axon_nb.functional.scan_serial import SerialKernels
from axon_nb.functional.scan_shared import SharedKernels

_SHARED_BYTES = 32768  # what the threads of a group can share on most GPUs
_SERIAL = ("CPU", "DSP")  # devices without groups of threads


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
        projected (batch, time, *spatial, gates * units), kernel (*window, units, gates * units),
        each of initial (batch, *spatial, units), bias (gates * units,), mask (batch, time), 0 where a step is left out
        -> (states, batch, time + 1, *spatial, units), the initial ones first

    Example:
        >>> total = Cell(lambda inputs, products, states: (inputs[0] + products[0],), gates=1, states=1)
        >>> ones = Tensor.ones(1, 3, 1)
        >>> scan(total, ones, Tensor([[2.0]]), [Tensor.zeros(1, 1)]).flatten().tolist()
        [0.0, 1.0, 3.0, 7.0]
    """
    sizes = _sizes(projected, kernel)
    dtype = dtypes.double if projected.dtype == dtypes.double else dtypes.float
    first = Tensor.stack(*(state.cast(dtype) for state in initial))
    rest = [tensor for tensor in (bias, mask) if tensor is not None]
    kernels = _kernels(str(projected.device))(cell, sizes, dtype, biased=bias is not None, masked=mask is not None)
    filled = [_empty(first, math.prod(shape)) for shape in kernels.filled]
    states, *_ = Tensor.custom_kernel(
        *filled, projected, kernel, first, *rest,
        fxn=kernels.forward, grad_fxn=functools.partial(_gradient, kernels),
    )  # fmt: skip
    return states.reshape(kernels.filled[0])


def _kernels(device: str) -> Callable[..., Kernels]:
    """Return what writes the kernels for a device."""
    if not _is_serial(device):
        return SharedKernels
    has_threads = device.startswith("CPU") and getenv("THREADS", 1)
    return functools.partial(SerialKernels, threads=NUM_CPU_THREADS.value if has_threads else 1)


def _is_serial(device: str) -> bool:
    return device.partition(":")[0] in _SERIAL


def _sizes(projected: Tensor, kernel: Tensor) -> Sizes:
    batch, time, *spatial, _ = projected.shape
    return Sizes(batch, time, tuple(spatial), kernel.shape[-2], tuple(kernel.shape[:-2]))


def _empty(like: Tensor, *shape: int) -> Tensor:
    return Tensor.empty(*shape, dtype=like.dtype, device=like.device)


def _gradient(kernels: Kernels, gradient: UOp, call: UOp) -> tuple[UOp | None, ...]:
    """Return the gradients of what the forward kernel was called with: its results, then its inputs."""
    count = len(kernels.filled)
    above, (projected, kernel, first, *rest) = Tensor(gradient), map(Tensor, call.src[1 + count :])
    states, products = (Tensor(result.after(call)) for result in call.src[1:3])
    columns = kernel.shape[-1]
    flat = products.numel() // columns, columns  # what a product of tensors takes as it is, without a copy
    masks, apart = rest[kernels.biased :], not kernels.cell.adds
    results = [_empty(first, *shape) for shape in (*[flat] * apart, flat, first.shape)]
    inputs = [above, kernel.transpose(-1, -2).contiguous(), *masks, *[projected] * apart, products, states]
    *of_gates, carry = Tensor.custom_kernel(*results, *inputs, fxn=kernels.backward)[: len(results)]
    of_projected, of_products = of_gates[0], of_gates[-1]
    of_weights = _of_weights(kernels, states, of_products)
    of_weights = [one.cast(like.dtype).uop for one, like in zip(of_weights, (kernel, *rest), strict=False)]
    of_kernel, *of_bias = of_weights
    of_first = carry + above.reshape(kernels.sizes.states(kernels.cell.states))[:, :, 0]
    nothing = [None for _ in masks]
    of_projected = of_projected.reshape(projected.shape).cast(projected.dtype)
    return (*[None] * count, of_projected.uop, of_kernel, of_first.uop, *of_bias, *nothing)


def _of_weights(kernels: Kernels, states: Tensor, of_products: Tensor) -> list[Tensor]:
    """Return the gradient of the kernel and, if there is one, of the bias: one product of matrices.

    Its rows are the units at each tap of the window before a step, and for the bias a row of ones.
    """
    z = kernels.sizes
    outputs = states[: states.numel() // kernels.cell.states].reshape(z.states(1)[1:])[:, :-1]
    pads = [((span - 1) // 2, span // 2) for span in z.window]
    padded = outputs.pad((None, None, *pads, None))
    rows = []
    for tap in itertools.product(*map(range, z.window)):
        near = tuple(slice(start, start + size) for start, size in zip(tap, z.spatial, strict=True))
        rows.append(padded[(slice(None), slice(None), *near)].flatten(0, -2))
    if kernels.biased:
        rows[-1] = rows[-1].pad((None, (0, 1)), value=1.0)
    found = rows[0].cat(*rows[1:], dim=1).transpose(0, 1) @ of_products
    shape = (*z.window, z.units, of_products.shape[1])
    return [found[: math.prod(shape[:-1])].reshape(shape), *([found[-1]] * kernels.biased)]
