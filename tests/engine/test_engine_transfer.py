"""Arrays arrive as they are."""

import numpy as np
import pytest
from tinygrad import Tensor

from axon_nb.engine import Program, Slots, download, upload
from axon_nb.engine.transfer import Memory
from axon_nb.errors import DeviceError

ARRAYS = {
    "float32": np.arange(6, dtype="float32").reshape(2, 3),
    "float64": np.arange(6.0),
    "float16": np.arange(3, dtype="float16"),
    "int64": np.array([1, -(2**40)]),
    "uint8": np.arange(256, dtype="uint8").reshape(16, 16),
    "bool": np.array([True, False]),
    "scalar": np.array(3.5),
    "empty": np.zeros((0, 3), "float32"),
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "strided": np.arange(10)[::-3],
    "big-endian": np.arange(4, dtype=">f4"),
    "read-only": np.broadcast_to(np.float32(2), (2, 2)),
}


@pytest.mark.parametrize("device", [None, "cpu", "PYTHON"])
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_arrive_as_tinygrad_would_take_them(name, device):
    array = ARRAYS[name]
    ours, theirs = upload(array, device), Tensor(array)
    assert (ours.shape, ours.dtype, ours.device) == (theirs.shape, theirs.dtype, (device or "CPU").upper())
    assert ours.tolist() == array.tolist()


def test_the_tensor_is_a_copy():
    array = np.zeros(3)
    tensor = upload(array)
    array[:] = 1
    assert tensor.tolist() == [0, 0, 0]
    tensor.assign(tensor + 2).realize()
    assert array.tolist() == [1, 1, 1]


def test_programs_take_it_as_it_is():
    seen = []
    program = Program(lambda x: seen.append(1) or x * 2)
    assert [program(upload(np.full(2, k))).tolist() for k in (1, 2, 3)] == [[2, 2], [4, 4], [6, 6]]
    program(Tensor(np.full(2, 1)).realize())  # the same kind of input
    assert len(seen) == 1


def test_an_unknown_device_is_refused():
    with pytest.raises(DeviceError, match="there is no device 'TPU'"):
        upload(np.zeros(1), "TPU")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Tensor([[1.0, 2.0], [3.0, 4.0]]),
        lambda: Tensor([[1.0, 2.0], [3.0, 4.0]]).realize(),
        lambda: Tensor([[1.0, 3.0], [2.0, 4.0]]).realize().T,
        lambda: Tensor([[9.0, 1.0, 2.0], [9.0, 3.0, 4.0]]).realize()[:, 1:],
        lambda: Tensor([1.0, 2.0, 3.0, 4.0]).realize().reshape(2, 2),
    ],
)
def test_what_is_read_is_a_copy(make):
    tensor = make()
    array = download(tensor)
    assert array.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    array[:] = 0
    assert tensor.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_an_empty_tensor_and_constants_are_read():
    assert download(Tensor.zeros(0, 3)).shape == (0, 3)
    assert download(Tensor.ones(2)).tolist() == [1, 1]
    assert download(Tensor(3)).tolist() == 3


def test_numbers_that_numpy_has_not_come_as_those_that_it_has():
    for tensor in (Tensor([1.5, -2.0], dtype="bfloat16"), Tensor([1.5, -2.0]).realize().cast("bfloat16").realize()):
        array = download(tensor)
        assert (array.dtype, array.tolist()) == (np.float32, [1.5, -2.0])


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: Tensor([1.0, 2.0]), id="not computed"),
        pytest.param(lambda: Tensor([1.0, 2.0]).realize() + 1, id="to be computed"),
        pytest.param(lambda: Tensor([1.0, 2.0]).realize()[1:], id="a part"),
        pytest.param(lambda: Tensor([[1.0, 2.0]]).realize().T, id="turned"),
        pytest.param(lambda: Tensor.ones(2), id="a constant"),
        pytest.param(lambda: Tensor.ones(0).contiguous().realize(), id="empty"),
        pytest.param(lambda: Tensor([1.0, 2.0], device="PYTHON").realize(), id="elsewhere"),
        pytest.param(lambda: Tensor([1.0, 2.0]).realize().cast("bfloat16").realize(), id="bfloat16"),
    ],
)
def test_only_whole_tensors_on_the_cpu_have_memory_that_numpy_sees(make):
    assert Memory.of(make()) is None


def test_memory_is_written_to_and_read():
    tensor = upload(np.zeros((2, 3), "float32"))
    memory = Memory.of(tensor)
    memory.write(np.arange(6, dtype=">i2").reshape(3, 2).T)
    first = memory.read()
    memory.write(np.ones((2, 3)))
    assert first.tolist() == [[0, 2, 4], [1, 3, 5]]
    assert tensor.tolist() == memory.read().tolist() == [[1, 1, 1], [1, 1, 1]]


def test_a_slot_is_filled_again_for_arrays_of_its_shape_and_kind():
    slots = Slots("CPU")
    first = slots.upload("x", np.ones((2, 3), "float32"))
    again = slots.upload("x", np.arange(12.0, dtype="float32").reshape(2, 6)[:, ::2])
    assert again is first
    assert again.tolist() == [[0, 2, 4], [6, 8, 10]]
    others = [slots.upload("y", np.ones((2, 3), "float32")), slots.upload("x", np.ones((3, 2), "float32")),
              slots.upload("x", np.ones((2, 3), "int32"))]  # fmt: skip
    assert all(one is not first for one in others)
    assert first.tolist() == [[0, 2, 4], [6, 8, 10]]


def test_slots_are_few_and_only_in_the_cpus_own_memory():
    slots = Slots("CPU")
    first = slots.upload("x", np.ones(1, "float32"))
    for size in range(2, 40):
        slots.upload("x", np.ones(size, "float32"))
    assert slots.upload("x", np.ones(1, "float32")) is not first
    elsewhere = Slots("PYTHON")
    assert elsewhere.upload("x", np.ones(1, "float32")) is not elsewhere.upload("x", np.ones(1, "float32"))
