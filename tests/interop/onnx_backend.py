"""Run the backend tests that the ``onnx`` package ships, and print how many pass, and why the others don't.

    python tests/interop/onnx_backend.py             # all, in pieces: half an hour on one core
    python tests/interop/onnx_backend.py --every 10  # each tenth
    python tests/interop/onnx_backend.py lstm gru    # those with a word in their name
    python tests/interop/onnx_backend.py --real      # nine well-known networks with made up weights: 10 to 60 s each
    python tests/interop/onnx_backend.py --real --write  # the same, and their results beside this file
    python tests/interop/onnx_backend.py --tinygrad  # tinygrad's own OnnxRunner on the same tests, to compare
    python tests/interop/onnx_backend.py --write     # all, and the list of failures beside this file
    python tests/interop/onnx_backend.py --again     # those of the list, which is written anew

Each test is a model with inputs and outputs. It goes through ``from_onnx``, and is run as our models are. Inputs that
must be known when a model is read (the new shape of a Reshape) are given as ``constants``. Numbers, shapes and kinds of
numbers must be what the test says, within the test's own tolerance.

A piece is a process of its own, so that a test that ends it is a failure like others, and memory is given back.
"""

import argparse
import collections
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np

warnings.simplefilter("ignore")
SECONDS, REAL_SECONDS, PIECE = 60, 600, 100
LIST = Path(__file__).parent / "onnx_failures.txt"
REAL = Path(__file__).parent / "onnx_real.txt"
VERSIONS = f"onnx {version('onnx')}, tinygrad {version('tinygrad')}"


class TooSlow(Exception):
    """A test took longer than a test should."""


def load_tests(words=(), *, real=False):
    """List all tests with their kinds, by name, or those of well-known networks."""
    from onnx.backend.test.loader import load_model_tests

    kinds = ("real",) if real else ("node", "simple", "pytorch-converted", "pytorch-operator")
    found = [(kind, test) for kind in kinds for test in sorted(load_model_tests(kind=kind), key=lambda one: one.name)]
    return [one for one in found if not words or any(word in one[1].name for word in words)]


def loaded(test):
    """Return a test's model, its data and what from_onnx takes, from memory or from files."""
    import onnx

    if test.model is not None:
        sets = [tuple([value_of(one) for one in side] for side in pair) for pair in test.data_sets]
        return test.model, sets, test.model.SerializeToString()
    if test.model_dir is None:
        return real(test)
    folder = Path(test.model_dir)
    proto = onnx.load(folder / "model.onnx")
    ends = list(proto.graph.output)
    sets = []
    for data in sorted(folder.glob("test_data_set_*")):
        paths = [(data / f"input_{i}.pb", one) for i, one in enumerate(inputs_of(proto))]
        given = [read(path, one) for path, one in paths if path.exists()]
        sets.append((given, [read(data / f"output_{i}.pb", one) for i, one in enumerate(ends)]))
    return proto, sets, folder / "model.onnx"


def real(test):
    """Return a well-known network, the input that the package makes for it, and its results."""
    import onnx

    path = Path(onnx.__file__).parent.parent / test.url
    proto = onnx.load(path)
    shapes = [[d.dim_value or 1 for d in one.type.tensor_type.shape.dim] for one in inputs_of(proto)]
    given = [(np.arange(np.prod(shape)).reshape(shape) / np.prod(shape)).astype("float32") for shape in shapes]
    wanted = [read(path.with_name(f"{path.stem}_output_{i}.pb"), one) for i, one in enumerate(proto.graph.output)]
    return proto, [(given, wanted)], path


def inputs_of(proto):
    """List the inputs that are no constants."""
    held = {one.name for one in proto.graph.initializer}
    return [one for one in proto.graph.input if one.name not in held]


def value_of(value):
    """Return a tensor as an array, a sequence as a list, and nothing as nothing."""
    import onnx

    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    if isinstance(value, list):
        return [value_of(one) for one in value]
    return value if value is None or isinstance(value, dict) else np.asarray(value)


def read(path, info):
    """Read a stored value of the kind that the model says."""
    import onnx

    kind, data = info.type.WhichOneof("value"), path.read_bytes()
    if kind == "sequence_type":
        return onnx.numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    if kind == "optional_type":
        return onnx.numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    return onnx.numpy_helper.to_array(onnx.TensorProto.FromString(data))


def run_in_tinygrad(test):
    """Run a test in tinygrad's own OnnxRunner, to compare."""
    import axon_nb.engine  # noqa: F401, I001 - brings the CPU's compiler, and has to come first

    from tinygrad import Tensor
    from tinygrad.nn.onnx import OnnxRunner

    proto, sets, _ = loaded(test)
    for given, wanted in sets:
        runner = OnnxRunner(Tensor(np.frombuffer(proto.SerializeToString(), "uint8"), device="CPU"))
        names = [one.name for one in inputs_of(proto)]
        made = runner({name: numbers(one) for name, one in zip(names, given, strict=False)})
        compare(list(made.values()), wanted, test)


def run(test):
    """Return the largest error where all data sets give what they should; raises otherwise."""
    import axon_nb as ax
    from axon_nb.forward import Values, forward

    proto, sets, source = loaded(test)
    error = 0.0
    for given, wanted in sets:
        feeds = dict(zip([one.name for one in inputs_of(proto)], given, strict=False))
        fixed = {name: feeds[name] for name in constants(proto, feeds)}
        model, params = ax.from_onnx(source, constants=fixed)
        plain = {re.sub(r"[.#\s]+", "_", name): value for name, value in feeds.items()}
        inputs = {node: numbers(plain[model.names[node]]) for node in model.inputs}
        values = Values({path: leaf.tensor for path, leaf in params.leaves.items()}, device="CPU")
        if test.kind == "real":  # as a user runs it, which compiles products fast; the others are not worth a program
            made = model.predict(params, {model.names[node]: one for node, one in inputs.items()})
        else:
            made = forward(model, values, inputs, training=False)
        found = list(made.values()) if isinstance(made, dict) else [made]
        compare(found, wanted, test)
        if test.kind == "real":
            error = max(error, *(float(np.abs(a.numpy() - b).max()) for a, b in zip(found, wanted, strict=True)))
    return error


def compare(found, wanted, test):
    """Compare results with what is right: shapes, kinds of numbers, and numbers within the test's tolerance."""
    assert len(found) == len(wanted), f"{len(found)} results, and {len(wanted)} are right"
    for one, other in zip(found, wanted, strict=True):
        if isinstance(other, list):
            assert isinstance(one, list | tuple), "no sequence, and a sequence is right"
            compare(list(one), other, test)
        elif other is None:
            assert one is None or one.numel() == 0, "a tensor, and nothing is right"
        else:
            compare_one(one, other, test)


def compare_one(one, other, test):
    """Compare a tensor with an array."""
    from axon_nb.checks import dtype_name

    assert hasattr(one, "numpy"), "no tensor, and a tensor is right"
    kind, array = dtype_name(one.dtype), one.numpy()
    assert array.shape == other.shape, f"shape {array.shape}, and {other.shape} is right"
    assert kind == other.dtype.name, f"{kind}, and {other.dtype.name} is right"
    exact = test.rtol
    if kind == "bfloat16":  # as the package itself compares these
        array, other, exact = array.astype("float32"), other.astype("float32"), max(test.rtol, 2**-6)
    np.testing.assert_allclose(array, other, rtol=exact, atol=test.atol)


FEW_BITS = {
    **dict.fromkeys(("int2", "int4"), "int8"), **dict.fromkeys(("uint2", "uint4"), "uint8"),
    **dict.fromkeys(("float4_e2m1fn", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz",
                     "float8_e8m0fnu"), "float32"),
}  # fmt: skip
"""As what numbers of few bits are given to a model. None makes them."""


def numbers(value):
    """Hand over an array as a tensor."""
    from tinygrad import Tensor, dtypes

    if value is None or isinstance(value, list | dict):
        return [numbers(one) for one in value] if isinstance(value, list) else value
    if value.dtype.name == "bfloat16":
        return Tensor(np.ascontiguousarray(value.astype("float32")), device="CPU").cast(dtypes.bfloat16)
    if value.dtype.name in FEW_BITS:
        value = value.astype(FEW_BITS[value.dtype.name])
    return Tensor(np.ascontiguousarray(value).reshape(value.shape), device="CPU")


def constants(proto, feeds):
    """Name the inputs whose numbers an operator must know beforehand: they stand there, or what stands there is made
    of them. What only asks for a shape needs no numbers.
    """
    from axon_nb.interop.operators import BEFOREHAND

    nodes = list(all_nodes(proto.graph))
    makers = {name: node for node in nodes for name in node.output}
    needed = {
        name: None
        for node in nodes
        for place, name in enumerate(node.input)
        if place in (BEFOREHAND | COUNTED).get(node.op_type, ())
    }
    waiting = list(needed)
    while waiting:
        wanted = waiting.pop()
        node = makers.get(wanted)
        if node is not None and node.op_type not in ("Shape", "Size"):
            inner = [one.g.output for one in node.attribute if one.HasField("g")] if node.op_type == "If" else []
            place = list(node.output).index(wanted)
            read = [*node.input, *(ends[place].name for ends in inner)]
            more = [name for name in read if name not in needed]
            needed |= dict.fromkeys(more)
            waiting += more
    return [name for name in feeds if name in needed and isinstance(feeds[name], np.ndarray)]


COUNTED = {
    "Loop": (0, 1),
    "SplitToSequence": (1,),
    "SequenceAt": (1,),
    "SequenceErase": (1,),
    "SequenceInsert": (2,),
    "MelWeightMatrix": (0, 1, 2, 3, 4),
}
"""What is done away with while a model is read needs these."""


def all_nodes(graph):
    """List the nodes of a graph, and of the graphs within them."""
    for node in graph.node:
        yield node
        for one in node.attribute:
            for below in (one.g, *one.graphs):
                yield from all_nodes(below)


def reason(error):
    """Say in one line why a test fails."""
    text = " ".join(str(error).split()) if isinstance(error, AssertionError) else str(error).partition("\n")[0]
    if isinstance(error, AssertionError) and ("Not equal" in text or "Mismatch" in text):
        return "other numbers"
    return f"{type(error).__name__}: {text}"[:160] if text else type(error).__name__


def outcome(kind, test, function):
    """Return why a test fails, or nothing."""
    signal.signal(signal.SIGALRM, stop)
    signal.alarm(REAL_SECONDS if kind == "real" else SECONDS)
    try:
        start = time.process_time()
        error = quickly(kind, test, function)
        if kind == "real" and error is not None:
            spent = time.process_time() - start
            print(f"measured\tpassed, largest error {error:.1e}, {spent:.0f} s of processor time", flush=True)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return reason(error)
    finally:
        signal.alarm(0)
    return None


def quickly(kind, test, function):
    """Run a test with plain kernels, which compile fast; where tinygrad 0.14 cannot (maxima of halves), with others."""
    from tinygrad import Context

    if kind != "real":
        try:
            with Context(NOOPT=1):
                return function(test)
        except RuntimeError as error:
            if "UOp verification failed" not in str(error):
                raise
    return function(test)


def stop(number, frame):
    raise TooSlow("took too long")


def all_outcomes(count, chosen, measured):
    """Run tests in processes of their own; return why each fails, or nothing, and add what was measured."""
    found = []
    words = [*chosen.words, *(["--again"] if chosen.again else []), *(["--real"] if chosen.real else [])]
    while len(found) < count:
        end = min(len(found) + PIECE, count)
        command = [sys.executable, __file__, *words, "--every", str(chosen.every), "--piece", str(len(found)), str(end)]
        piece = subprocess.run(
            [*command, *(["--tinygrad"] if chosen.tinygrad else [])], capture_output=True, text=True, check=False,
            env={**os.environ, **({"AXON_NB_CACHE": "0"} if chosen.real else {})},  # so that compiling is measured
        )  # fmt: skip
        lines = [line.partition("\t")[2] for line in piece.stdout.splitlines() if line.startswith("outcome\t")]
        found += [line or None for line in lines]
        measured += [line.partition("\t")[2] for line in piece.stdout.splitlines() if line.startswith("measured\t")]
        if len(found) < end:
            found.append(f"the process ended with {piece.returncode}")
    return found


def listed():
    """Read the list of failures: the versions that it was made with, and a reason by name."""
    head, *lines = LIST.read_text(encoding="utf-8").splitlines()
    return head.removeprefix("# ").partition(":")[0], dict(line.split(": ", 1) for line in lines)


def main():
    """Run the tests that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="name each test that fails")
    parser.add_argument("--real", action="store_true", help="run the well-known networks")
    parser.add_argument("--tinygrad", action="store_true", help="run tinygrad's own OnnxRunner, to compare")
    parser.add_argument("--write", action="store_true", help="write the list of failures")
    parser.add_argument("--again", action="store_true", help="run those of the list, and write it anew")
    parser.add_argument("--piece", nargs=2, type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    tests = load_tests(chosen.words, real=chosen.real)[:: chosen.every]
    if chosen.again:
        tests = [one for one in tests if one[1].name in listed()[1]]
    if chosen.piece:
        for kind, test in tests[slice(*chosen.piece)]:
            why = outcome(kind, test, run_in_tinygrad if chosen.tinygrad else run)
            print(f"outcome\t{why or ''}", flush=True)
        return
    measured = []
    outcomes = all_outcomes(len(tests), chosen, measured)
    if chosen.real:
        told = iter(measured)
        lines = [f"{test.name}: {why or next(told)}" for (_, test), why in zip(tests, outcomes, strict=True)]
        print("\n".join(lines))
        if chosen.write:
            REAL.write_text("\n".join([f"# {VERSIONS}", *sorted(lines)]) + "\n", encoding="utf-8")
        return
    if chosen.again:
        now = {test.name: why for (_, test), why in zip(tests, outcomes, strict=True)}
        tests = load_tests()
        outcomes = [now.get(test.name) for _, test in tests]
    show(tests, outcomes, whole=chosen.list)
    if chosen.write or chosen.again:
        failures = [f"{test.name}: {why}" for (_, test), why in zip(tests, outcomes, strict=True) if why]
        head = f"# {VERSIONS}: {len(tests) - len(failures)} of {len(tests)} tests pass; these do not"
        LIST.write_text("\n".join([head, *failures]) + "\n", encoding="utf-8")


def show(tests, outcomes, *, whole):
    """Print reasons, the most frequent first, and rates."""
    reasons, passed = collections.defaultdict(list), collections.Counter()
    for (kind, test), why in zip(tests, outcomes, strict=True):
        passed[kind] += why is None
        if why is not None:
            reasons[why].append(test.name)
    for why, names in sorted(reasons.items(), key=lambda item: -len(item[1])):
        shown = names if whole else [*names[:4], *(["..."] if len(names) > 4 else [])]
        print(f"{len(names):5}  {why}: {', '.join(shown)}")
    total = collections.Counter(kind for kind, _ in tests)
    for kind, count in total.items():
        print(f"{kind}: {passed[kind]} of {count} pass, {passed[kind] / count:.1%}")
    print(f"all: {sum(passed.values())} of {len(tests)} pass, {sum(passed.values()) / max(len(tests), 1):.1%}")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
