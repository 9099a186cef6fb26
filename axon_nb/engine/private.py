"""Owns the list of everything in tinygrad that we use though its documentation does not promise it.

Knows nothing about how these are used; the other modules import them as usual, and a test compares.

After an upgrade of tinygrad run ``python -m axon_nb.engine.private``: it names what has moved.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from dataclasses import dataclass
from typing import Any

import tinygrad


@dataclass(frozen=True)
class Private:
    """One private thing of tinygrad: where it is, what we do with it, and the parameters that we pass."""

    path: str
    purpose: str
    takes: tuple[str, ...] = ()


TABLE = (
    # the compiler
    Private("tinygrad.device.Compiler", "base of our compiler: cache key, compile_cached", ("cachekey",)),
    Private("tinygrad.device.Compiler.compile", "overridden", ("src",)),
    Private("tinygrad.device._Device", "the class of Device, whose get_class we stand in front of"),
    Private("tinygrad.device._Device.get_class", "called before a device opens", ("ix",)),
    Private("tinygrad.runtime.ops_cpu", "where the CPU device looks up its renderers"),
    Private("tinygrad.runtime.ops_cpu.ClangRenderer", "replaced by ours"),
    Private("tinygrad.runtime.support.c", "loads libraries of C"),
    Private("tinygrad.runtime.support.c.DLL", "finds the libraries that the CPU device is made of"),
    Private("tinygrad.runtime.support.c.DLL.findlib", "replaced while the CPU device is imported", ("nm", "paths")),
    Private("tinygrad.renderer.llvmir.CPULLVMRenderer", "base of our renderer"),
    Private("tinygrad.renderer.llvmir.CPULLVMRenderer.abi", "the calling convention of kernels"),
    Private("tinygrad.renderer.llvmir.CPULLVMRenderer.string_rewrite", "extended by Ops.CALL"),
    Private("tinygrad.renderer.llvmir.LLVMRenderer", "its __init__ sets the target and loads no LLVM", ("target",)),
    Private("tinygrad.renderer.llvmir.base_rewrite", "the patterns that ours extend"),
    Private("tinygrad.renderer.llvmir.ldt", "the LLVM name of a dtype", ("dt",)),
    Private("tinygrad.renderer.llvmir.flags", "what LLVM may do with arithmetic"),
    Private("tinygrad.uop.ops.Ops.LOAD", "tells a running sum"),
    Private("tinygrad.uop.ops.Ops.END", "tells a sum that is done from one that runs"),
    Private("tinygrad.helpers.Target", "what a renderer is made for"),
    Private("tinygrad.helpers.Target.arch", "processor and features"),
    Private("tinygrad.helpers.Target.device", "named by DEV"),
    Private("tinygrad.helpers.Target.renderer", "named by DEV"),
    Private("tinygrad.dtype.AddrSpace", "which arguments of a call are pointers"),
    Private("tinygrad.dtype.DType", "type of a buffer's elements"),
    Private("tinygrad.uop.ops.PatternMatcher", "holds our pattern"),
    Private("tinygrad.uop.ops.UPat", "our pattern"),
    Private("tinygrad.uop.ops.Ops.CALL", "our pattern"),
    Private("tinygrad.uop.ops.Ops.AFTER", "an argument that is a pointer"),
    Private("tinygrad.uop.ops.Ops.INDEX", "an argument that is a pointer"),
    Private("tinygrad.uop.ops.Ops.PARAM", "an argument that is a pointer"),
    Private("tinygrad.uop.ops.UOp.addrspace", "tells a pointer from a number"),
    # devices
    Private("tinygrad.device.ALL_DEVICES", "the devices to name and to try"),
    Private("tinygrad.helpers.DEV", "the default device, and the user's wishes"),
    # the workers
    Private("tinygrad.helpers.PARALLEL", "how many processes compile"),
    Private("tinygrad.helpers.NUM_CPU_THREADS", "how many cores there are, by tinygrad's count"),
    Private("tinygrad.codegen.to_program_key", "names a kernel in the cache of programs", ("ast", "renderer")),
    Private("tinygrad.codegen.to_program_context", "the settings that a worker compiles with"),
    Private("tinygrad.helpers.Context", "sets them there"),
    Private("tinygrad.engine.realize._get_call_to_compile", "what of a call is not compiled yet", ("c",)),
    # the layout of kernels
    Private("tinygrad.codegen.opt.heuristic", "holds the function that lays out a kernel"),
    Private("tinygrad.codegen.opt.heuristic.hand_coded_optimizations", "asked after ours", ("k",)),
    Private("tinygrad.codegen.opt.postrange.Scheduler", "a kernel that is laid out"),
    Private("tinygrad.codegen.opt.postrange.Scheduler.apply_opt", "lays out one axis", ("opt",)),
    Private("tinygrad.codegen.opt.postrange.Scheduler.upcastable_dims", "axes of results"),
    Private("tinygrad.codegen.opt.postrange.Scheduler.bufs", "places in memory that a kernel reads and writes"),
    Private("tinygrad.codegen.opt.Opt", "one step of a layout"),
    Private("tinygrad.codegen.opt.OptOps", "numbers computed together, and threads"),
    # the lock
    Private("tinygrad.helpers", "holds the cache connection"),
    Private("tinygrad.helpers._db_connection", "the cache connection, reopened for all threads"),
    Private("tinygrad.helpers.db_connection", "replaced: tinygrad's own opens it for one thread"),
    Private("tinygrad.helpers.CACHEDB", "where the cache is"),
    # files of other programs, and costs
    Private("tinygrad.llm.gguf.gguf_load", "reads GGUF files"),
    Private("tinygrad.uop.ops.Ops.FUNCTION", "a function within a layer"),
    # recording
    Private("tinygrad.engine.jit.CapturedJit", "the recording"),
    Private("tinygrad.engine.jit.CapturedJit.__call__", "replays", ("input_uops", "var_vals")),
    Private("tinygrad.engine.jit.JitError", "raised for what cannot be recorded"),
    Private("tinygrad.engine.realize.capturing", "tells that a recording is going on"),
    Private("tinygrad.engine.realize.compile_linear", "compiles the copy of a result", ("linear",)),
    Private("tinygrad.engine.realize.link_linear", "the same, for HCQ2", ("linear",)),
    Private(
        "tinygrad.engine.realize.run_linear",
        "copies a result",
        ("linear", "var_vals", "input_uops", "update_stats", "jit"),
    ),
    Private("tinygrad.helpers.JIT", "0 where the user turned recording off"),
    Private("tinygrad.helpers.ContextVar._cache", "all settings, put back when a recording is cut"),
    Private("tinygrad.helpers.ContextVar", "one setting"),
    Private("tinygrad.Tensor.uop", "what a tensor is made of"),
    Private("tinygrad.uop.ops.UOp", "a node of tinygrad's graph"),
    Private("tinygrad.uop.ops.UOp.base", "the buffer under a view"),
    Private("tinygrad.uop.ops.UOp.is_virtual", "has no place in memory: a constant"),
    Private("tinygrad.uop.ops.UOp.op", "tells a buffer from a view"),
    Private("tinygrad.uop.ops.UOp.src", "what a view is of"),
    Private("tinygrad.uop.ops.UOp.replace", "puts a new buffer under a shape"),
    Private("tinygrad.uop.ops.UOp._base_buffer_is_realized", "tells whether a random counter exists"),
    Private("tinygrad.uop.ops.UOp.new_buffer", "room for a copied result", ("device", "size", "dtype")),
    Private("tinygrad.uop.ops.UOp.param", "a place for a buffer in a copy", ("slot", "dtype", "shape", "device")),
    Private("tinygrad.uop.ops.UOp.copy_to_device", "copies a result", ("device",)),
    Private("tinygrad.uop.ops.UOp.call", "copies a result"),
    Private("tinygrad.uop.ops.Ops", "names of operations"),
    Private("tinygrad.uop.ops.Ops.BUFFER", "memory"),
    Private("tinygrad.uop.ops.Ops.MSTACK", "memory on several devices"),
    Private("tinygrad.uop.ops.Ops.UNSHARD", "a tensor on several devices"),
    Private("tinygrad.uop.ops.Ops.RESHAPE", "the shape of a tensor in its buffer"),
    Private("tinygrad.uop.ops.Ops.LINEAR", "a list of kernels"),
    # deferred scheduling, and steps as one native call
    Private("tinygrad.tensor", "holds the scheduler that realize calls"),
    Private(
        "tinygrad.schedule.create_linear_with_vars",
        "replaced there: while recording, graphs are only noted",
    ),
    Private(
        "tinygrad.engine.jit.jit_lower",
        "plans the memory of a recording, and compiles",
    ),
    Private("tinygrad.helpers.CAPTURING", "0 where tinygrad computes something of its own amid a recording"),
    Private("tinygrad.helpers.disable_gc", "recording makes much that lives"),
    Private("tinygrad.tensor.all_tensors", "what somebody may still look at after a step"),
    Private("tinygrad.uop.ops.buffers", "the same"),
    Private("tinygrad.engine.realize.resolve_params", "the buffers of a call", ("call", "inputs")),
    Private("tinygrad.uop.ops.Ops.PROGRAM", "a compiled kernel"),
    Private("tinygrad.uop.ops.ProgramInfo", "its arguments and parts"),
    Private("tinygrad.device.Buffer", "memory, and views into it"),
    Private("tinygrad.device.TinyELF", "machine code for the CPU's loader", ("lib", "name", "target", "signature")),
    Private("tinygrad.helpers.DEBUG", "tinygrad runs a step itself where it shall tell of each kernel"),
    Private("tinygrad.helpers.PROFILE", "the same"),
    Private("tinygrad.helpers.GlobalCounters", "counts kernels"),
    Private("tinygrad.uop.ops.UOp.variable", "the number of a part", ("name", "min_val", "max_val", "dtype", "param")),
    Private("tinygrad.codegen.to_program_cache", "counts compiled kernels"),
    Private("tinygrad.codegen.to_program_config", "settings that compiled code depends on"),
    Private("tinygrad.helpers.BEAM", "the same"),
    Private("tinygrad.uop.ops.CallInfo", "named in a graph, with a Python function that the code does not depend on"),
    Private("tinygrad.uop.ops.ParamArg", "named in a graph, with numbers counted through the process"),
    Private("tinygrad.helpers.getenv", "HCQ2=1 leaves the CPU's steps to tinygrad"),
    Private("tinygrad.renderer.nir", "not loaded: it takes longer than the rest of the CPU's runtime"),
    Private("tinygrad.runtime.support.hcq2", "base of the CPU device, opened without its four helper programs"),
    # arrays
    Private("tinygrad.dtype._to_np_dtype", "the array of a dtype"),
    Private("tinygrad.uop.ops.Ops.COPY", "a value that stands in a Python list"),
    Private("tinygrad.uop.ops.Ops.STORE", "what Tensor.zeros makes"),
    Private("tinygrad.uop.ops.UOp.dtype", "of a copy"),
    Private("tinygrad.uop.ops.UOp.max_numel", "of a copy"),
    Private("tinygrad.dtype._from_np_dtype", "the dtype of an array"),
    Private("tinygrad.uop.ops.UOp.buffer", "the memory to copy an array to"),
    Private("tinygrad.uop.ops.UOp.reshape", "the array's shape"),
    Private("tinygrad.device.Buffer.ensure_allocated", "takes the memory"),
    Private("tinygrad.device.Buffer._buf", "the device's handle of the memory"),
    Private("tinygrad.device.Allocator._copyin", "copies the array", ("dest", "src")),
    Private("tinygrad.Tensor._data", "a tensor's bytes, for a file"),
    # counting a layer's cost (trace/macs.py)
    Private("tinygrad.uop.ops.UOp.sink", "one root for several results"),
    Private("tinygrad.uop.ops.UOp.toposort", "every operation of a result"),
    Private("tinygrad.uop.ops.UOp.arg", "what is reduced, over which axes"),
    Private("tinygrad.uop.ops.Ops.ADD", "an operation"),
    Private("tinygrad.uop.ops.Ops.CAST", "an operation"),
    Private("tinygrad.uop.ops.Ops.CONST", "an operation"),
    Private("tinygrad.uop.ops.Ops.CONTIGUOUS", "an operation"),
    Private("tinygrad.uop.ops.Ops.MUL", "an operation"),
    Private("tinygrad.uop.ops.Ops.PERMUTE", "an operation"),
    Private("tinygrad.uop.ops.Ops.REDUCE", "an operation"),
    # kernels of our own for recurrent layers (functional/scan*.py)
    Private("tinygrad.mixin.gradient.compute_gradient", "the gradient of a step"),
    Private("tinygrad.renderer.Estimates", "what such a kernel costs"),
    Private("tinygrad.uop.ops.AxisType", "kinds of loops"),
    Private("tinygrad.uop.ops.KernelInfo", "the name of a kernel"),
    Private("tinygrad.uop.ops.UOp.after", "orders stores"),
    Private("tinygrad.uop.ops.UOp.group", "several stores as one"),
    Private("tinygrad.uop.ops.UOp.range", "a loop"),
    Private("tinygrad.uop.ops.UOp.const", "a number in a kernel"),
    Private("tinygrad.uop.ops.UOp.placeholder", "memory of a kernel's own"),
    Private("tinygrad.uop.ops.Ops.RANGE", "tells a loop's counter"),
    Private("tinygrad.uop.ops.Ops.DETACH", "taken out of a step"),
    Private("tinygrad.uop.ops.Ops.CONTIGUOUS_BACKWARD", "taken out of a step"),
    Private("tinygrad.uop.ops.graph_rewrite", "takes them out"),
    # kernels written for devices that are not here
    Private("tinygrad.codegen.do_to_program", "compiles a kernel past the cache of programs"),
    Private("tinygrad.helpers.ansistrip", "the name of a kernel without colours"),
    Private("tinygrad.renderer.Renderer", "base of all renderers", ("target",)),
    Private("tinygrad.renderer.Renderer.has_local", "whether a device has threads"),
    Private("tinygrad.renderer.cstyle", "renderers of C, CUDA, Metal, OpenCL and HIP"),
    Private("tinygrad.renderer.ptx.PTXRenderer", "writes PTX"),
    Private("tinygrad.renderer.wgsl.WGSLRenderer", "writes WGSL"),
    Private("tinygrad.uop.ops.Ops.SINK", "a kernel that is not written yet"),
    Private("tinygrad.uop.ops.Ops.SOURCE", "the source of a kernel"),
    Private("tinygrad.Tensor.linear_with_vars", "the kernels of a result"),
    Private("tinygrad.helpers.NO_MEMORY_PLANNER", "each result in memory of its own, to tell what a kernel works on"),
    # timing kernels
    Private("tinygrad.engine.realize.ExecContext", "runs one kernel and waits", ("var_vals", "update_stats", "wait")),
    Private("tinygrad.engine.realize.pm_exec", "runs one kernel"),
    # sizes that are plain numbers (engine/sizes.py)
    Private("tinygrad.uop.ops.UOp.simplify", "replaced by ours"),
    # moves by plain numbers, and what is remembered of a graph (trace/moves.py)
    Private("tinygrad.uop.ops.UOp._mop", "replaced by ours", ("op", "arg")),
    Private("tinygrad.Tensor._mop", "replaced by ours", ("op", "arg")),
    Private("tinygrad.Tensor._apply_uop", "makes a tensor of what was moved", ("fxn",)),
    Private("tinygrad.uop.ops.recursive_property", "its __get__ is replaced by ours"),
    Private("tinygrad.uop.ops.UOp.__dict__", "where it remembers"),
    Private("tinygrad.uop.ops.GroupOp", "which operations move, and which work number by number"),
    # functions of one's own in ONNX (interop/uops.py)
    Private("tinygrad.uop.ops.UOp.shape", "the sizes"),
    Private("tinygrad.uop.ops.Ops.AND", "an operation"),
    Private("tinygrad.uop.ops.Ops.CDIV", "an operation"),
    Private("tinygrad.uop.ops.Ops.CMOD", "an operation"),
    Private("tinygrad.uop.ops.Ops.CMPEQ", "an operation"),
    Private("tinygrad.uop.ops.Ops.CMPLT", "an operation"),
    Private("tinygrad.uop.ops.Ops.CMPNE", "an operation"),
    Private("tinygrad.uop.ops.Ops.EXP2", "an operation"),
    Private("tinygrad.uop.ops.Ops.EXPAND", "an operation"),
    Private("tinygrad.uop.ops.Ops.FDIV", "an operation"),
    Private("tinygrad.uop.ops.Ops.FLIP", "an operation"),
    Private("tinygrad.uop.ops.Ops.FLOORDIV", "an operation"),
    Private("tinygrad.uop.ops.Ops.FLOORMOD", "an operation"),
    Private("tinygrad.uop.ops.Ops.LOG2", "an operation"),
    Private("tinygrad.uop.ops.Ops.MAX", "an operation"),
    Private("tinygrad.uop.ops.Ops.NEG", "an operation"),
    Private("tinygrad.uop.ops.Ops.NOOP", "an operation"),
    Private("tinygrad.uop.ops.Ops.OR", "an operation"),
    Private("tinygrad.uop.ops.Ops.PAD", "an operation"),
    Private("tinygrad.uop.ops.Ops.POW", "an operation"),
    Private("tinygrad.uop.ops.Ops.RECIPROCAL", "an operation"),
    Private("tinygrad.uop.ops.Ops.SHRINK", "an operation"),
    Private("tinygrad.uop.ops.Ops.SIN", "an operation"),
    Private("tinygrad.uop.ops.Ops.SQRT", "an operation"),
    Private("tinygrad.uop.ops.Ops.STACK", "an operation"),
    Private("tinygrad.uop.ops.Ops.SUB", "an operation"),
    Private("tinygrad.uop.ops.Ops.TRUNC", "an operation"),
    Private("tinygrad.uop.ops.Ops.WHERE", "an operation"),
    Private("tinygrad.uop.ops.Ops.XOR", "an operation"),
    # random numbers
    Private(
        "tinygrad.Tensor._rand", "counted numbers from our own keys", ("key", "counter", "shape", "dtype", "contiguous")
    ),
    Private("tinygrad.Tensor._device_seeds", "tinygrad's own generators, made before a recording"),
    Private("tinygrad.Tensor._device_rng_counters", "the same"),
    Private("tinygrad.Tensor._next_counter", "the same", ("device", "num")),
)


def check() -> list[str]:
    """Return a line for everything in the table that this tinygrad does not have as we know it."""
    return [f"{entry.path}: {problem} (used for: {entry.purpose})" for entry in TABLE if (problem := _problem(entry))]


def _problem(entry: Private) -> str | None:
    try:
        thing = _find(entry.path)
    except (ImportError, AttributeError) as error:
        return str(error)
    if not entry.takes:
        return None
    missing = [name for name in entry.takes if name not in inspect.signature(thing).parameters]
    return f"has no parameter {', '.join(missing)}" if missing else None


def _find(path: str) -> Any:
    """Return what a dotted path names; a mark where it names an attribute that only instances have."""
    module, _, rest = path.partition(".")
    thing: Any = importlib.import_module(module)
    for name in rest.split("."):
        module = f"{module}.{name}"
        if inspect.ismodule(thing) and not hasattr(thing, name):
            thing = importlib.import_module(module)
        elif inspect.isclass(thing) and _is_set_in_instances(thing, name):
            return None
        else:
            thing = getattr(thing, name)
    return thing


def _is_set_in_instances(kind: type[Any], name: str) -> bool:
    if hasattr(kind, name):
        return False
    slots = getattr(kind, "__slots__", ())
    return name in slots or name in kind.__init__.__code__.co_names or name in inspect.get_annotations(kind)


def main() -> int:
    """Print what has moved, for a person who upgrades tinygrad."""
    version = getattr(tinygrad, "__version__", "?")
    moved = check()
    sys.stdout.write("\n".join(moved) + "\n" if moved else f"tinygrad {version} has all {len(TABLE)} names we use\n")
    return len(moved)


if __name__ == "__main__":
    raise SystemExit(main())
