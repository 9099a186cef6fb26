"""Run the backend tests that the ``onnx`` package ships, and print how many pass, and why the others don't.

    python tests/interop/onnx_backend.py            # all: some minutes
    python tests/interop/onnx_backend.py --every 10 # each tenth
    python tests/interop/onnx_backend.py lstm gru   # those with a word in their name

Each test is a model with inputs and outputs. It goes through ``from_onnx``, and is run as our models are. Inputs that
tinygrad needs to know beforehand (the new shape of a Reshape) are given as ``constants``.
"""

import argparse
import collections
import signal
import sys
import warnings
from pathlib import Path

import numpy as np

warnings.simplefilter("ignore")
SECONDS = 60


class TooSlow(Exception):
    """A test took longer than a test should."""


def load_tests():
    from onnx.backend.test.loader import load_model_tests

    found = []
    for kind in ("node", "simple", "pytorch-converted", "pytorch-operator"):
        found += [(kind, test) for test in load_model_tests(kind=kind)]
    return found


def _loaded(test):
    """Return a test's model, its data and what from_onnx takes, from memory or from files."""
    import onnx

    if test.model_dir is None:
        sets = [tuple([_array(one) for one in side] for side in pair) for pair in test.data_sets]
        return test.model, sets, test.model.SerializeToString()
    folder = Path(test.model_dir)
    proto = onnx.load(folder / "model.onnx")
    held = {one.name for one in proto.graph.initializer}
    named = [one for one in proto.graph.input if one.name not in held]
    sets = []
    for data in sorted(folder.glob("test_data_set_*")):
        paths = [(data / f"input_{i}.pb", one) for i, one in enumerate(named)]
        given = [read(path, one) for path, one in paths if path.exists()]
        sets.append((given, [read(data / f"output_{i}.pb", one) for i, one in enumerate(proto.graph.output)]))
    return proto, sets, folder / "model.onnx"


def _array(value):
    import onnx

    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    if value is None or isinstance(value, list | dict | onnx.SequenceProto | onnx.OptionalProto):
        raise NotTensors
    return np.asarray(value)


def read(path, info):
    import onnx

    data = path.read_bytes()
    if not info.type.HasField("tensor_type"):
        raise NotTensors
    tensor = onnx.TensorProto.FromString(data)
    return onnx.numpy_helper.to_array(tensor)


class NotTensors(Exception):
    """The test is about sequences, maps or optional values."""


def run_in_tinygrad(test):
    """Run a test in tinygrad's own OnnxRunner, to compare."""
    from tinygrad import Context, Tensor
    from tinygrad.nn.onnx import OnnxRunner

    import axon_nb  # noqa: F401 - brings the CPU's compiler

    proto, sets, _ = _loaded(test)
    held = {one.name for one in proto.graph.initializer}
    named = [one.name for one in proto.graph.input if one.name not in held]
    for given, wanted in sets:
        runner = OnnxRunner(Tensor(np.frombuffer(proto.SerializeToString(), "uint8"), device="CPU"))
        with Context(NOOPT=1):
            made = runner({name: _numbers(one) for name, one in zip(named, given, strict=False)})
            _compare([one.numpy() for one in made.values()], wanted, test)


def run(test):
    """Return nothing where all data sets give what they should; raises otherwise."""
    from tinygrad import Context, Tensor

    import axon_nb as ax
    from axon_nb.compiled import Values, forward

    proto, sets, source = _loaded(test)
    held = {one.name for one in proto.graph.initializer}
    named = [one.name for one in proto.graph.input if one.name not in held]
    for given, wanted in sets:
        feeds = dict(zip(named, given, strict=False))
        fixed = {name: feeds[name] for name in _constants(proto, feeds)}
        model, params = ax.from_onnx(source, constants=fixed)
        names = {model.names[node]: node for node in model.inputs}
        inputs = {node: _numbers(feeds[name]) for name, node in names.items()}
        with Context(NOOPT=1):
            values = Values({path: leaf.tensor for path, leaf in params.leaves.items()}, device="CPU")
            made = forward(model, values, inputs, training=False)
            parts = list(made.values()) if isinstance(made, dict) else [made]
            found = [one.numpy() if isinstance(one, Tensor) else np.asarray(one) for one in parts]
        _compare(found, wanted, test)


def _compare(found, wanted, test):
    for one, other in zip(found, wanted, strict=True):
        if one.shape != other.shape:
            raise AssertionError(f"shape {one.shape}, and {other.shape} is right")
        one = one.astype(other.dtype)
        np.testing.assert_allclose(one, other, rtol=max(test.rtol, 1e-3), atol=max(test.atol, 1e-5))


def _numbers(array):
    from tinygrad import Tensor

    return Tensor(np.ascontiguousarray(array).reshape(array.shape), device="CPU")


def _constants(proto, feeds):
    """Name the inputs that an operator must know beforehand, and all where nothing else would be left."""
    from tinygrad.nn.onnx import required_input_python_consts as needed

    return {
        name
        for node in proto.graph.node
        for place, name in enumerate(node.input)
        if name in feeds and place in needed.get(node.op_type, ())
    }


def reason(error):
    if isinstance(error, NotTensors):
        return "sequences, maps and optional values are not tensors"
    if isinstance(error, AssertionError):
        text = " ".join(str(error).split())
        return "other numbers" if "Not equal" in text or "mismatch" in text.lower() else text[:70]
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text.split("): ", 1)[-1][:110]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="name each test that fails")
    parser.add_argument("--tinygrad", action="store_true", help="run tinygrad's own OnnxRunner, to compare")
    chosen = parser.parse_args()
    tests = [one for one in load_tests() if not chosen.words or any(w in one[1].name for w in chosen.words)]
    reasons, passed, total = collections.defaultdict(list), collections.Counter(), collections.Counter()
    signal.signal(signal.SIGALRM, _stop)
    for kind, test in tests[:: chosen.every]:
        total[kind] += 1
        signal.alarm(SECONDS)
        try:
            (run_in_tinygrad if chosen.tinygrad else run)(test)
            passed[kind] += 1
        except KeyboardInterrupt:
            break
        except BaseException as error:
            reasons[reason(error)].append(test.name)
        finally:
            signal.alarm(0)
    for why, names in sorted(reasons.items(), key=lambda item: -len(item[1])):
        shown = names if chosen.list else [*names[:4], *(["..."] if len(names) > 4 else [])]
        print(f"{len(names):5}  {why}: {', '.join(shown)}")
    for kind, count in total.items():
        print(f"{kind}: {passed[kind]} of {count} pass, {passed[kind] / count:.1%}")
    good, count = sum(passed.values()), sum(total.values())
    print(f"all: {good} of {count} pass, {good / max(count, 1):.1%}")


def _stop(number, frame):
    raise TooSlow(f"took longer than {SECONDS} s")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
