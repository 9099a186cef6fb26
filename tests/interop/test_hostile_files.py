"""Files that are damaged or want to do harm: refused with a clear message, in little time and memory."""

import io
import os
import pickle
import random
import resource
import struct
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from networks import NETWORKS

import axon_nb as ax

onnx = pytest.importorskip("onnx")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT


def graph(nodes, constants=(), inputs=("x",), outputs=("y",), shape=("batch", 4)):
    infos = [helper.make_tensor_value_info(name, FLOAT, shape) for name in inputs]
    ends = [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs]
    return helper.make_model(
        helper.make_graph(nodes, "g", infos, ends, list(constants)), opset_imports=[helper.make_opsetid("", 20)]
    )


def node(op, inputs, outputs, **about):
    return helper.make_node(op, inputs, outputs, name=about.pop("name", f"the_{op}"), **about)


def refused(proto, match, **about):
    data = proto if isinstance(proto, bytes) else proto.SerializeToString()
    with pytest.raises(ax.AxonError, match=match):
        ax.from_onnx(data, **about)


def test_a_cycle():
    refused(
        graph([node("Relu", ["b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["x"], ["y"])]),
        r"the_Relu.*: a cycle",
    )


def test_what_nothing_makes():
    refused(graph([node("Relu", ["none"], ["y"])]), "reads 'none', which nothing makes")
    refused(graph([node("Relu", ["x"], ["other"])]), "nothing makes the output 'y'")
    refused(graph([node("Relu", ["x"], ["y"]), node("Tanh", ["x"], ["y"])]), "the name 'y' is given twice")


def test_nodes_out_of_order_are_put_in_order():
    model, params = ax.from_onnx(graph([node("Tanh", ["a"], ["y"]), node("Relu", ["x"], ["a"])]).SerializeToString())
    assert [one.op for one in model.nodes] == ["input", "relu", "tanh"]
    assert params.count == 0


def test_huge_sizes():
    huge = onnx.TensorProto(name="w", data_type=FLOAT, dims=[2**40, 2**40], raw_data=b"0000")
    refused(graph([node("MatMul", ["x", "w"], ["y"])], [huge]), "tensor 'w': has an impossible shape")
    short = onnx.TensorProto(name="w", data_type=FLOAT, dims=[400, 400], raw_data=b"0000")
    refused(graph([node("MatMul", ["x", "w"], ["y"])], [short]), r"has the shape \(400, 400\), and has 1 numbers")
    negative = onnx.TensorProto(name="w", data_type=FLOAT, dims=[-4], raw_data=b"")
    refused(graph([node("Add", ["x", "w"], ["y"])], [negative]), "impossible shape")
    shape = onnx.numpy_helper.from_array(np.array([10**6, 10**6], "int64"), "s")
    refused(
        graph([node("ConstantOfShape", ["s"], ["c"]), node("Add", ["x", "c"], ["y"])], [shape]),
        "would make 1,000,000,000,000 numbers",
    )
    ends = [onnx.numpy_helper.from_array(np.array(n, "int64"), name) for n, name in ((0, "a"), (10**12, "b"), (1, "c"))]
    refused(
        graph([node("Range", ["a", "b", "c"], ["r"]), node("Add", ["x", "r"], ["y"])], ends),
        "would make 1,000,000,000,000 numbers",
    )
    big = onnx.numpy_helper.from_array(np.array([2**20, 2**20, 4], "int64"), "s")
    refused(graph([node("Expand", ["x", "s"], ["y"])], [big], shape=(1, 4)), "would make a tensor of")


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "link.bin", "", "folder/../../secret.bin"])
def test_data_outside_of_the_folder(tmp_path, location):
    (tmp_path / "secret.bin").write_bytes(b"0" * 64)
    home = tmp_path / "home"
    (home / "folder").mkdir(parents=True)
    (home / "link.bin").symlink_to(tmp_path / "secret.bin")
    tensor = onnx.TensorProto(name="w", data_type=FLOAT, dims=[4], data_location=1)
    tensor.external_data.add(key="location", value=location)
    proto = graph([node("Add", ["x", "w"], ["y"])], [tensor])
    (home / "model.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(ax.AxonError, match="would be read from outside of the model's folder"):
        ax.from_onnx(home / "model.onnx")
    refused(proto, "the model was given as bytes")


def test_data_beside_the_model_is_read(tmp_path):
    tensor = onnx.TensorProto(name="w", data_type=FLOAT, dims=[4], data_location=1)
    for key, value in (("location", "w.bin"), ("offset", "8"), ("length", "16")):
        tensor.external_data.add(key=key, value=value)
    (tmp_path / "model.onnx").write_bytes(graph([node("Add", ["x", "w"], ["y"])], [tensor]).SerializeToString())
    with pytest.raises(ax.AxonError, match=r"'w\.bin' with its numbers cannot be read"):
        ax.from_onnx(tmp_path / "model.onnx")
    (tmp_path / "w.bin").write_bytes(np.arange(6, dtype="<f4").tobytes())
    model, params = ax.from_onnx(tmp_path / "model.onnx")
    assert model.predict(params, np.zeros((1, 4), "float32")).tolist() == [[2, 3, 4, 5]]
    (tmp_path / "w.bin").write_bytes(b"0000")
    with pytest.raises(ax.AxonError, match="too short"):
        ax.from_onnx(tmp_path / "model.onnx")


def test_operators_that_are_not_there():
    refused(
        graph([node("Magic", ["x"], ["y"])]), r"ONNX node 'the_Magic' \(Magic\): the operator Magic is not supported"
    )
    refused(graph([node("Evil", ["x"], ["y"], domain="evil")]), r"the operator Evil is not supported \(of evil\)")
    refused(b"", "no ONNX file")
    refused(b"hello, this is text", "no ONNX file")
    with pytest.raises(ax.AxonError, match="cannot be read: No such file"):
        ax.from_onnx("none.onnx")
    with pytest.raises(ax.AxonError, match="takes a path or bytes"):
        ax.from_onnx(3)


class Harm:
    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("name", ["os.mkdir", "numpy.testing._private.utils.runstring", "builtins.eval"])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    module, _, function = name.rpartition(".")
    code = b"".join([b"\x80\x02c", module.encode(), b"\n", function.encode(), b"\nX\x04\x00\x00\x00harm\x85R."])
    if name == "os.mkdir":
        code = pickle.dumps({"w": Harm()})
    with zipfile.ZipFile("weights.pt", "w") as archive:
        archive.writestr("archive/data.pkl", code)
    model = ax.input((None, 4)) | ax.dense(2)
    with pytest.raises(ax.AxonError, match="and only tensors are read\n  fix: save the state dict alone"):
        ax.load_weights(model, "weights.pt")
    assert not Path("harm").exists()


def mutated(data, rng):
    """Change bytes, cut out or repeat a part, or end early."""
    made = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8, 40])):
        at = rng.randrange(len(made))
        kind = rng.randrange(5)
        if kind == 0:
            made[at] = rng.randrange(256)
        elif kind == 1:
            made[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del made[at : at + rng.randrange(1, 16)]
        elif kind == 3:
            made[at:at] = made[at : at + rng.randrange(1, 64)]
        else:
            made[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\xff\xff\xff\x7f"])
        if not made:
            break
    return bytes(made[: rng.randrange(1, len(made) + 1)] if made and rng.random() < 0.15 else made)


def small_models():
    x = ax.input((None, 2, 8), name="x")
    conv = x | ax.conv(3, 3, padding="same") | ax.batch_norm() | ax.relu() | ax.flatten() | ax.dense(2, "softmax")
    text = ax.input((None, "time"), dtype="int32", name="t") | ax.embedding(5, 4) | ax.lstm(3) | ax.layer_norm()
    return [
        conv,
        text,
        ax.input((None, "time", 8), name="x") | ax.multi_head_attention(heads=2, rotary=True),
        NETWORKS["mlp"][0],
    ]


def harmless(load, count, sources, seed):
    rng = random.Random(seed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = {"read": 0, "refused": 0}
    for number in range(count):
        data = mutated(sources[number % len(sources)], rng)
        start = time.process_time()
        try:
            load(data)
            outcomes["read"] += 1
        except ax.AxonError as error:
            assert str(error)  # noqa: PT017 - others go on
            outcomes["refused"] += 1
        assert time.process_time() - start < 20, f"file {number} of seed {seed} hangs"
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 1_000_000, "a gigabyte for small files"
    assert outcomes["refused"] > count / 10
    return outcomes


def test_names_that_are_no_text():
    model = ax.input((None, 4), name="x") | ax.dense(3, name="layer")
    written = model.to_onnx(model.init())
    with pytest.raises(ax.AxonError, match="a damaged one: a name is no text"):
        ax.from_onnx(written.replace(b"layer/Gemm", b"layer/Gem\xff"))


def test_attributes_of_another_kind():
    helper = onnx.helper
    node = helper.make_node("Softmax", ["x"], ["y"], axis="first")
    ends = [helper.make_tensor_value_info(name, 1, (2, 3)) for name in "xy"]
    written = helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:])).SerializeToString()
    with pytest.raises(ax.AxonError, match="ONNX node Softmax: its attributes or inputs are not what ONNX says of it"):
        ax.from_onnx(written)


@pytest.mark.slow
def test_300_damaged_onnx_files_are_read_or_refused():
    def load(data):
        model, params = ax.from_onnx(data)
        assert isinstance(model, ax.Model)
        assert repr(params)

    harmless(load, 300, [model.to_onnx(model.init()) for model in small_models()], seed=1)


@pytest.mark.slow
def test_300_damaged_weight_files_are_read_or_refused(tmp_path):
    model = ax.input((None, 4), name="x") | ax.dense(3, name="a") | ax.dense(2, name="b")
    arrays = {name: tensor.numpy() for name, tensor in model.init().flat.items()}
    sources = []
    numpy_files = pytest.importorskip("safetensors.numpy")
    sources.append(numpy_files.save(arrays))
    torch = pytest.importorskip("torch")
    opened = io.BytesIO()
    torch.save({name: torch.from_numpy(np.array(one)) for name, one in arrays.items()}, opened)
    sources.append(opened.getvalue())
    path = tmp_path / "weights"

    def load(data):
        path.write_bytes(data)
        assert ax.load_weights(model, path, strict=False).params.count == 23

    harmless(load, 300, sources, seed=2)


def other_files(arrays, tmp_path):
    """Return files of weights in the other ways: PyTorch's of before, GGUF, and Keras's."""
    torch, h5py = pytest.importorskip("torch"), pytest.importorskip("h5py")
    opened = io.BytesIO()
    tensors = {name: torch.from_numpy(np.array(one)) for name, one in arrays.items()}
    torch.save(tensors, opened, _use_new_zipfile_serialization=False)
    made = [opened.getvalue()]
    head, data = struct.pack("<4sIQQ", b"GGUF", 3, len(arrays), 0), b""
    for name, one in arrays.items():
        told = name.encode()
        sizes = struct.pack(f"<{one.ndim}Q", *one.shape[::-1])
        head += (
            struct.pack("<Q", len(told)) + told + struct.pack("<I", one.ndim) + sizes + struct.pack("<IQ", 0, len(data))
        )
        data += one.tobytes() + b"\0" * (-one.nbytes % 32)
    made.append(head + b"\0" * (-len(head) % 32) + data)
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        for number, one in enumerate(arrays.values()):
            file[f"layers/dense_{number // 2}/vars/{number % 2}"] = one
    made.append((tmp_path / "weights.h5").read_bytes())
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("model.weights.h5", made[-1])
    return [*made, (tmp_path / "model.keras").read_bytes()]


@pytest.mark.slow
def test_300_damaged_files_of_other_kinds_are_read_or_refused(tmp_path):
    model = ax.input((None, 4), name="x") | ax.dense(3, name="a") | ax.dense(2, name="b")
    arrays = {name: np.asarray(tensor.numpy()) for name, tensor in model.init().flat.items()}
    path = tmp_path / "weights"

    def load(data):
        path.write_bytes(data)
        return ax.load_weights(model, path, strict=False)

    sources = other_files(arrays, tmp_path)
    assert [load(one).missing for one in sources] == [()] * 4
    harmless(load, 300, sources, seed=3)


@pytest.mark.parametrize("put", [b"r\xff\xff\xff\x7f", b"q\xff"])
def test_a_pickle_that_would_take_all_memory_is_refused(tmp_path, put):
    torch = pytest.importorskip("torch")
    opened = io.BytesIO()
    torch.save({"w": torch.zeros(2)}, opened)
    with zipfile.ZipFile(opened) as archive, zipfile.ZipFile(tmp_path / "weights.pt", "w") as changed:
        for name in archive.namelist():
            data = archive.read(name)
            changed.writestr(name, data.replace(b"q\x00", put, 1) if name.endswith("data.pkl") else data)
    with pytest.raises(ax.AxonError, match="it is pickled in a way that state dicts are not"):
        ax.load_weights(ax.input((None, 4)) | ax.dense(2), tmp_path / "weights.pt")
