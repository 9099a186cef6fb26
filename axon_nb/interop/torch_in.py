"""Owns the way in for PyTorch modules: exported by PyTorch itself to ONNX, and read as any ONNX file."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

from axon_nb.errors import brief
from axon_nb.graph import Model
from axon_nb.interop.importer import from_onnx
from axon_nb.interop.optional import InteropError, need
from axon_nb.params import Params


def from_torch(module: Any, example: Any) -> tuple[Model, Params]:
    """Turn a PyTorch module into a model of layers, with its weights.

    The number of samples stays open; other sizes are those of the example. PyTorch traces the module, so that it must
    be one that ``torch.export`` understands; the packages ``torch``, ``onnx`` and ``onnxscript`` are needed.

    Args:
        module: a ``torch.nn.Module``; it is exported as in ``module.eval()``.
        example: a tensor such as it takes, or a tuple of them; with two samples or more.

    Raises:
        InteropError: a package is missing, or PyTorch cannot export the module.

    Example:
        >>> import importlib.util
        >>> from axon_nb import from_torch
        >>> if importlib.util.find_spec("torch") and importlib.util.find_spec("onnxscript"):
        ...     import torch
        ...     model, params = from_torch(torch.nn.Linear(3, 2), torch.zeros(2, 3))
        ...     assert [node.op for node in model.nodes] == ["input", "dense"]
    """
    torch = need("torch", "from_torch")
    need("onnxscript", "from_torch")
    if not isinstance(module, torch.nn.Module):
        problem = "from_torch takes a torch.nn.Module"
        raise InteropError(problem, got=brief(module))
    given = example if isinstance(example, tuple) else (example,)
    if not given or not all(isinstance(one, torch.Tensor) for one in given):
        problem = "the example is a tensor, or a tuple of them"
        raise InteropError(problem, got=brief(example), fix="torch.zeros(2, 3, 224, 224)")
    was_training = module.training
    try:
        return from_onnx(_export(torch, module.eval(), given))
    finally:
        module.train(was_training)


def _export(torch: Any, module: Any, given: tuple[Any, ...]) -> bytes:
    dim = torch.export.Dim.DYNAMIC
    opened = tuple({0: dim} if one.ndim and one.shape[0] > 1 else None for one in given)
    failure: Exception | None = None
    for shapes in (opened, None):
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                program = torch.onnx.export(
                    module, given, dynamo=True, dynamic_shapes=shapes, opset_version=20, verbose=False, optimize=False
                )
                return bytes(program.model_proto.SerializeToString())
        except Exception as error:
            failure = failure or error
    problem = f"PyTorch cannot export {type(module).__name__} to ONNX"
    text = str(failure).strip().splitlines()
    raise InteropError(problem, got=brief(text[-1] if text else type(failure).__name__)) from failure
