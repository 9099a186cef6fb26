"""Files come back as they were written, or with an error that says why not."""

import json
import os
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tinygrad import Tensor

import axon_nb as ax
from axon_nb import files
from axon_nb.errors import FileError
from axon_nb.files import read_file, write_file
from axon_nb.params import Leaf, Params

DTYPES = list(files._TAGS)
CONTENT = {
    "kind": "test",
    "epoch": 3,
    "rates": [0.1, 1e-300],
    "text": 'a"\\\n层\ud800',
    "none": None,
    "deep": {"a": [{}]},
}


def raw(tensor):
    return bytes(tensor.contiguous().realize()._data())


@pytest.fixture
def written(tmp_path):
    tensors = {"kernel": Tensor([[1.0, 2.0], [3.0, 4.0]]), "层.bias": Tensor([1, 2], dtype="int8")}
    return write_file(tmp_path / "a.safetensors", tensors, CONTENT)


def test_content_comes_back(written):
    assert read_file(written).content == CONTENT


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 2), (), (0, 3), (1,)], ids=str)
def test_every_kind_of_numbers_comes_back_bit_by_bit(tmp_path, dtype, shape):
    values = np.linspace(-3, 3, int(np.prod(shape)), dtype="float32").reshape(shape)
    values = np.asarray(abs(values)) if dtype.startswith("uint") else values
    tensor = Tensor(values).cast(dtype).contiguous().realize() if values.size else Tensor.empty(*shape, dtype=dtype)
    stored = read_file(write_file(tmp_path / "a", {"x": tensor}, {}))
    back = stored.tensor("x")
    assert (back.shape, back.dtype) == (tensor.shape, tensor.dtype)
    assert (stored.shape("x"), stored.dtype("x")) == (tuple(shape), dtype)
    if values.size:
        assert raw(back) == raw(tensor)


def test_views_and_tensors_not_computed_yet_are_written_as_they_look(tmp_path):
    base = Tensor.arange(12).reshape(3, 4)
    views = {"turned": base.T, "part": base[1:, ::2], "one": base[0, 0].expand(3), "lazy": base * 2}
    stored = read_file(write_file(tmp_path / "a", views, {}))
    assert {name: stored.tensor(name).tolist() for name in views} == {n: v.tolist() for n, v in views.items()}


def test_the_same_things_make_the_same_bytes(tmp_path):
    def make(order):
        tensors = {"b": Tensor([1.0]), "a": Tensor([1], dtype="int8"), "c": Tensor([2.0])}
        return write_file(tmp_path / "a", {n: tensors[n] for n in order}, {"x": 1}).read_bytes()

    assert make("abc") == make("cba")


def test_the_safetensors_package_reads_it_and_its_files_are_told_from_ours(written, tmp_path):
    theirs = pytest.importorskip("safetensors.numpy")
    assert theirs.load_file(written)["kernel"].tolist() == [[1, 2], [3, 4]]
    foreign = tmp_path / "b"
    theirs.save_file({"x": np.ones(3)}, foreign)
    with pytest.raises(FileError, match="was not written by axon_nb"):
        read_file(foreign)


@pytest.mark.parametrize("length", [0, 3, 8, 20, 200, -30, -1])
def test_a_file_that_is_cut_off_is_an_error(written, length):
    written.write_bytes(written.read_bytes()[:length])
    with pytest.raises(FileError, match=r"cut off|no safetensors file"):
        read_file(written)


def test_a_file_with_more_behind_it_is_an_error(written):
    written.write_bytes(written.read_bytes() + b"x")
    with pytest.raises(FileError, match="do not fill it"):
        read_file(written)


def test_every_flipped_bit_is_an_error_or_changes_nothing(written):
    good, tensors = written.read_bytes(), contents(written)
    harmless = wrong = 0
    for place in range(0, len(good) * 8, 7):
        bad = bytearray(good)
        bad[place // 8] ^= 1 << place % 8
        written.write_bytes(bad)
        try:
            assert contents(written) == tensors
            harmless += 1  # JSON may be written in several ways: 1e-300 and 1E-300
        except FileError as error:
            wrong += error.where != str(written)
    assert harmless < 5
    assert not wrong


def contents(path):
    stored = read_file(path)
    return stored.content, {name: (stored.dtype(name), stored.tensor(name).tolist()) for name in stored.names}


@given(data=st.binary(max_size=80), size=st.integers(0, 100))
@settings(max_examples=60, deadline=None, database=None, derandomize=True)
def test_garbage_is_an_error(tmp_path_factory, data, size):
    path = tmp_path_factory.getbasetemp() / "garbage"
    for bad in (data, struct.pack("<Q", size) + b"{" + data):
        path.write_bytes(bad)
        with pytest.raises(FileError, match="garbage"):
            read_file(path)


def with_header(written, change):
    data = written.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    text = json.dumps(change(header) or header).encode()
    written.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


def ours(header, **values):
    stored = json.loads(header["__metadata__"]["axon_nb"]) | values
    header["__metadata__"]["axon_nb"] = json.dumps(stored)


HEADERS = {
    "overlap": (lambda h: h["kernel"].update(data_offsets=[0, 2]), "cut off"),
    "negative": (lambda h: h["kernel"].update(shape=[-2, -2]), "is described as"),
    "huge": (lambda h: h["kernel"].update(shape=[10**30, 10**30]), "is described as"),
    "words": (lambda h: h["kernel"].update(shape="2"), "is described as"),
    "kind": (lambda h: h["kernel"].update(dtype="F4"), "numbers of an unknown kind, 'F4'"),
    "no dict": (lambda h: h.update(kernel=3), "is described as 3"),
    "missing": (lambda h: h.pop("kernel") and None, "do not fill it"),
    "renamed": (lambda h: h.update(other=h.pop("kernel")), "checksum is wrong"),
    "metadata": (lambda h: h.update(__metadata__=[]), "metadata is not text by name"),
    "content": (lambda h: ours(h, content=[]), "metadata is not as axon_nb writes it"),
    "version": (lambda h: ours(h, version=99), "has version 99, and this axon_nb reads version 1"),
    "changed": (lambda h: ours(h, content={"epoch": 4}), "checksum is wrong"),
    "deep": (lambda h: h["__metadata__"].update(axon_nb="[" * 10**5), "nested too deeply"),
    "deep but sound": (lambda h: h["__metadata__"].update(axon_nb="[" * 900 + "]" * 900), "nested too deeply"),
    "nan": (lambda h: h["__metadata__"].update(axon_nb="NaN"), "NaN is no number"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_lies_is_an_error(written, name):
    change, message = HEADERS[name]
    with_header(written, change)
    with pytest.raises(FileError, match=message):
        read_file(written)


def test_what_stood_there_stays_when_writing_fails(written, monkeypatch):
    before = written.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(FileError, match="cannot be written: No space left on device"):
        write_file(written, {"x": Tensor([1.0])}, {})
    assert written.read_bytes() == before
    assert [path.name for path in written.parent.iterdir()] == [written.name]


def test_an_interrupt_leaves_nothing_behind(written, monkeypatch):
    before = written.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_file(written, {"x": Tensor([1.0])}, {})
    assert written.read_bytes() == before
    assert len(list(written.parent.iterdir())) == 1


def test_a_link_goes_on_pointing_to_the_file(written, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(written)
    write_file(link, {}, {"epoch": 9})
    assert link.is_symlink()
    assert read_file(written).content == {"epoch": 9}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gone/a.st", "make the folder"),
        (".", "cannot be written"),
        (3, "named by text or a Path"),
        ("a\0b", "named by"),
    ],
)
def test_a_place_that_cannot_be_written_is_an_error(tmp_path, monkeypatch, path, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match=message):
        write_file(path, {}, {})


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object()])
def test_content_that_is_no_json_is_an_error(tmp_path, value):
    with pytest.raises(FileError, match="is no JSON"):
        write_file(tmp_path / "a", {}, {"x": value})


def test_a_missing_file_and_a_missing_tensor_are_errors(written):
    with pytest.raises(FileError, match="cannot be read: No such file"):
        read_file(written.with_name("b"))
    with pytest.raises(FileError, match=r"there is no tensor 'kernl'\n.*did you mean 'kernel'"):
        read_file(written).tensor("kernl")


def test_params_come_back_with_what_they_are_for(tmp_path):
    params = (ax.input((None, 4)) | ax.block("a", ax.dense(3), ax.batch_norm())).init()
    params = Params({p: Leaf(leaf.tensor, "frozen") if "bias" in p else leaf for p, leaf in params.leaves.items()})
    back = Params.load(params.save(tmp_path / "a"))
    assert back == params
    assert list(back.leaves) == list(params.leaves)
    assert {leaf.kind for leaf in back.leaves.values()} == {"trainable", "frozen", "state"}


def test_params_with_dots_in_their_names_and_of_other_kinds_come_back(tmp_path):
    params = Params(
        {("a", "b.c"): Leaf(Tensor([1.0, 2.0], dtype="bfloat16")), ("a.b", "c"): Leaf(Tensor([1]), "state")}
    )
    back = Params.load(params.save(tmp_path / "a"))
    assert list(back.leaves) == list(params.leaves)
    assert [str(leaf.tensor.dtype) for leaf in back.leaves.values()] == ["dtypes.bfloat16", "dtypes.int"]
    assert back.leaves["a", "b.c"].tensor.tolist() == [1, 2]


BAD_LEAVES = [
    (None, "holds no weights"),
    ([3], "cannot be read"),
    ([{"path": [], "kind": "state", "tensor": "x"}], "cannot be read"),
    ([{"path": ["a"], "kind": "other", "tensor": "x"}], "cannot be read"),
    ([{"path": ["a"], "kind": "state", "tensor": "y"}], "there is no tensor 'y'"),
    ([{"path": ["a"], "kind": "state", "tensor": "x"}] * 2, "cannot be read"),
]


@pytest.mark.parametrize(("leaves", "message"), BAD_LEAVES)
def test_params_that_lie_are_errors(tmp_path, leaves, message):
    write_file(tmp_path / "a", {"x": Tensor([1.0])}, {"leaves": leaves})
    with pytest.raises(FileError, match=message):
        Params.load(tmp_path / "a")
