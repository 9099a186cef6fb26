"""Owns shape inference: a model and the shapes of its inputs become one row per node.

Knows nothing about weights' values, devices or display. No layer states its shape: its body is run on empty lazy
tensors, which computes nothing. Sizes that are not known are run with several probe sizes, and what the results have
in common is the answer.
"""

from axon_nb.trace import moves as _moves
from axon_nb.trace.layer import ParamSpec, Spec, Traced, TraceScope, call, trace_layer
from axon_nb.trace.macs import count_macs
from axon_nb.trace.model import NodeTrace, Trace, find_fixes, finders, kind_of, path_of, show_spec, trace
from axon_nb.trace.report import compute_output_shape, output_shape, params, report
from axon_nb.trace.shapes import input_shapes

__all__ = [
    "NodeTrace", "ParamSpec", "Spec", "Trace", "TraceScope", "Traced", "call", "compute_output_shape", "count_macs",
    "find_fixes", "finders", "input_shapes", "kind_of", "output_shape", "params", "path_of", "report", "show_spec",
    "trace", "trace_layer",
]  # fmt: skip

_moves.install()
