"""Owns ``kernels``: the source that a model becomes on a device, kernel by kernel, with the layers it came from.

Knows nothing about how it is shown.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from axon_nb.display.kernels import KernelRow, kernels_html, kernels_text
from axon_nb.engine.languages import Language, Written, language_of, write
from axon_nb.errors import OptionError, unknown
from axon_nb.graph import Model, verb
from axon_nb.insight.plan import Step, Work, plan
from axon_nb.trace import input_shapes


class Kernel:
    """One kernel of a model: its source is written when it is first asked for."""

    def __init__(self, number: int, step: Step, language: Language) -> None:
        self.number = number
        self.language = language
        self._step = step

    @functools.cached_property
    def _written(self) -> Written:
        return write(self._step.call, self.language.make())

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that it works for; several where they were fused into one."""
        return self._step.layers

    @property
    def writes(self) -> str:
        """What its result is: ``output of dense_1``, ``gradient of dense_0.kernel``; empty for a value in between."""
        return self._step.writes

    @property
    def name(self) -> str:
        """The name of its function."""
        return self._written.name

    @property
    def source(self) -> str:
        """The source, in the device's language."""
        return self._written.source

    @property
    def operations(self) -> int:
        """Arithmetic operations of one run."""
        return self._written.operations

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it reads and writes, each counted once."""
        return self._written.nbytes

    @property
    def row(self) -> KernelRow:
        """All of it as plain data."""
        made = self._written
        return KernelRow(
            self.number, self.layers, self.writes, made.name, made.source, self.language.lexer, made.operations,
            made.nbytes, made.groups, made.threads,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<Kernel {self.number} {self.name}: {', '.join(self.layers)}>"

    __str__ = __repr__


class Kernels(Sequence[Kernel]):
    """The kernels of a model in the order in which they run; shows as a table, and in a notebook with the sources."""

    def __init__(self, kernels: Sequence[Kernel], language: Language, title: str) -> None:
        self._kernels = tuple(kernels)
        self.language = language
        self.title = title

    @overload
    def __getitem__(self, index: int) -> Kernel: ...
    @overload
    def __getitem__(self, index: slice) -> Kernels: ...
    def __getitem__(self, index: int | slice) -> Kernel | Kernels:
        """Return one kernel, or a part of the list."""
        if isinstance(index, slice):
            return Kernels(self._kernels[index], self.language, self.title)
        return self._kernels[index]

    def __len__(self) -> int:
        return len(self._kernels)

    def __iter__(self) -> Iterator[Kernel]:
        return iter(self._kernels)

    def of(self, layer: str) -> Kernels:
        """Return the kernels that work for a layer, or for a part or block of layers.

        Raises:
            UnknownNameError: no kernel works for a layer of that name.
        """
        found = [k for k in self if any(name == layer or name.startswith(f"{layer}.") for name in k.layers)]
        if not found:
            kind = "layer with a kernel"
            raise unknown(kind, layer, dict.fromkeys(name for k in self for name in k.layers))
        return Kernels(found, self.language, f"{self.title}, {layer}")

    @property
    def source(self) -> str:
        """All sources, one after the other."""
        return "\n\n".join(kernel.source.strip() for kernel in self) + "\n"

    @property
    def operations(self) -> int:
        """Arithmetic operations of all kernels."""
        return sum(kernel.operations for kernel in self)

    @property
    def nbytes(self) -> int:
        """Bytes that all kernels move."""
        return sum(kernel.nbytes for kernel in self)

    def __repr__(self) -> str:
        return kernels_text([kernel.row for kernel in self], self._headline)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return kernels_html([kernel.row for kernel in self], self._headline)

    @property
    def _headline(self) -> str:
        return f"{self.title}: {len(self)} kernel{'s' * (len(self) != 1)} in {self.language.name}"


@verb
def kernels(
    model: Model, layer: str | None = None, /, device: str | None = None, *, training: bool = False,
    loss: Any = "mean_squared_error", optimizer: Any = None, batch_size: int = 32, **shapes: Any,
) -> Kernels:  # fmt: skip
    """Show the source of the kernels that a model becomes on a device, which need not be here.

    tinygrad fuses layers: a kernel names every layer that it works for. The sources are the renderer's, with its
    default optimizations for one common chip of the kind (CUDA: sm_80; Metal: Apple7; AMD: gfx1100).

    Args:
        model: the model.
        layer: only the kernels that work for this layer.
        device: ``"CPU"`` (what runs here), ``"C"``, ``"CUDA"``, ``"METAL"``, ``"CL"`` (OpenCL), ``"AMD"``, ``"WEBGPU"``
            or ``"PTX"``; the default device if not given.
        training: the training step: forward pass in training mode, loss and gradients.
        loss: with training: a name, or a function of y_true and y_pred, on labels shaped like the output.
        optimizer: with training: an optimizer, whose update is then part of the step.
        batch_size: size of the first axis where it is not known.
        **shapes: shapes of inputs by name.

    Raises:
        DeviceError: there is no such device, or no language for it.
        ShapeError: a size is not known, or the model does not fit.
        UnknownNameError: no kernel works for a layer of that name.

    Example:
        >>> from axon_nb import dense, input
        >>> model = input((None, 4)) | dense(3, "relu") | dense(2)
        >>> [kernel.layers for kernel in model.kernels(device="METAL")]
        [('dense_0',), ('dense_1',)]
        >>> "kernel void" in model.kernels(device="METAL").source
        True
    """
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        problem = "batch_size must be a whole number of at least 1"
        raise OptionError(problem, got=repr(batch_size))
    language = language_of(device)
    work = Work(training=training, loss=loss, optimizer=optimizer)
    steps = plan(model, sized(model, shapes, batch_size), work)
    made = [Kernel(number, step, language) for number, step in enumerate(steps)]
    kind = "training step" if training else "forward pass"
    found = Kernels(made, language, f"{model.name or 'model'}, {kind}")
    return found.of(layer) if layer is not None else found


def sized(model: Model, shapes: Mapping[str, Any], batch_size: int) -> dict[str, Any]:
    """Return the shapes of all inputs that are known, an unknown first axis filled with the batch size."""
    given = input_shapes(model, dict(shapes))
    names = {
        shape[0] for shape in given.values() if isinstance(shape, tuple) and shape and not isinstance(shape[0], int)
    }
    filled = {}
    for node, shape in given.items():
        if isinstance(shape, tuple):
            filled[model.names[node]] = tuple(
                batch_size if (place == 0 and size is None) or (isinstance(size, str) and size in names) else size
                for place, size in enumerate(shape)
            )
    return filled
