"""Operators that no layer stands for give onnxruntime's numbers, in their several ways and versions."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from ort import run

import axon_nb as ax

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
helper, kinds = onnx.helper, onnx.TensorProto
RNG = np.random.default_rng(0)

pytestmark = pytest.mark.usefixtures("plain_kernels")


def constant(name, numbers, kind="float32"):
    return onnx.numpy_helper.from_array(np.asarray(numbers, kind), name)


def narrow(name, numbers, kind):
    return helper.make_tensor(name, kind, np.shape(numbers), np.ravel(numbers))


def proto(nodes, feeds, constants=(), outputs=("y",), version=21, kind=kinds.FLOAT):
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(one.dtype), one.shape)
        for name, one in feeds.items()
    ]
    ends = [helper.make_tensor_value_info(name, kind, None) for name in outputs]
    graph = helper.make_graph(nodes, "g", inputs, ends, list(constants))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=10).SerializeToString()


def compare(nodes, feeds, constants=(), tolerance=1e-5, **about):
    made = proto(nodes, feeds, constants, **about)
    model, params = ax.from_onnx(made)
    found, wanted = model.predict(params, feeds), run(made, feeds)[0]
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


MAP = RNG.normal(size=(1, 2, 5, 6)).astype("float32")
WAYS = ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric")
SIZES = ([1, 2, 3, 8], [1, 2, 10, 4])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_resize(mode, way):
    for size in SIZES:
        node = helper.make_node("Resize", ["x", "", "", "s"], ["y"], mode=mode, coordinate_transformation_mode=way)
        compare([node], {"x": MAP}, [constant("s", size, "int64")], 1e-4)


@pytest.mark.parametrize("rule", ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
def test_resize_to_the_nearest_cell(rule):
    for way, factors in itertools.product(WAYS[:3], ([1, 1, 2, 2], [1, 1, 0.6, 1.5], [1, 1, 0.5, 3])):
        node = helper.make_node("Resize", ["x", "", "f"], ["y"], nearest_mode=rule, coordinate_transformation_mode=way)
        if way == "align_corners" and 0.6 in factors:
            continue  # onnxruntime and ONNX's own tests differ in what a size is there
        compare([node], {"x": MAP}, [constant("f", factors)])


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("outside", [0, 1])
def test_resize_that_looks_at_all_cells(mode, outside):
    node = helper.make_node("Resize", ["x", "", "", "s"], ["y"], mode=mode, antialias=1, exclude_outside=outside)
    from onnx.reference import ReferenceEvaluator  # onnxruntime leaves out what is outside in any case

    made = proto([node], {"x": MAP}, [constant("s", [1, 2, 3, 4], "int64")])
    model, params = ax.from_onnx(made)
    wanted = ReferenceEvaluator(made).run(None, {"x": MAP})[0]
    np.testing.assert_allclose(model.predict(params, MAP), wanted, rtol=1e-4, atol=1e-5)
    assert [one.op for one in model.nodes] == ["input", "resize" if outside and mode == "linear" else "onnx_node"]


def test_resize_of_a_part_and_of_chosen_axes():
    crop = helper.make_node("Resize", ["x", "roi", "", "s"], ["y"], mode="linear", extrapolation_value=9.0,
                            coordinate_transformation_mode="tf_crop_and_resize")  # fmt: skip
    roi = constant("roi", [0, 0, 0.2, -0.3, 1, 1, 0.7, 0.8])
    compare([crop], {"x": MAP}, [roi, constant("s", [1, 2, 4, 5], "int64")])
    chosen = helper.make_node("Resize", ["x", "", "", "s"], ["y"], mode="linear", axes=[3, 2],
                              keep_aspect_ratio_policy="not_larger")  # fmt: skip
    compare([chosen], {"x": MAP}, [constant("s", [12, 9], "int64")])


def test_resize_as_it_was_in_version_10():
    node = helper.make_node("Resize", ["x", "f"], ["y"], mode="linear")
    compare([node], {"x": MAP}, [constant("f", [1, 1, 2, 1.5])], version=10)


ROIS = np.array([[0, 0, 4, 3], [1.2, 0.5, 4.9, 4.4], [-1, 2, 2, 7]], "float32")


@pytest.mark.parametrize(("version", "mode"), [(10, "avg"), (16, "avg"), (16, "max")])
def test_regions_of_maps(version, mode):
    node = helper.make_node("RoiAlign", ["x", "r", "i"], ["y"], mode=mode, output_height=2, output_width=3,
                            sampling_ratio=2, spatial_scale=0.9)  # fmt: skip
    feeds = {"x": np.concatenate([MAP, MAP * 2, -MAP]), "r": ROIS}
    if mode == "avg":
        compare([node], feeds, [constant("i", [1, 0, 1], "int64")], version=version)
        return
    from onnx.reference import ReferenceEvaluator

    made = proto([node], feeds, [constant("i", [1, 0, 1], "int64")], version=version)
    model, params = ax.from_onnx(made)
    wanted = ReferenceEvaluator(made).run(None, feeds)[0]
    np.testing.assert_allclose(model.predict(params, feeds), wanted, rtol=1e-4, atol=1e-5)


def test_regions_whose_samples_are_not_counted_are_refused():
    made = proto([helper.make_node("RoiAlign", ["x", "r", "i"], ["y"])], {"x": MAP, "r": ROIS},
                 [constant("i", [0, 0, 0], "int64")])  # fmt: skip
    with pytest.raises(ax.AxonError, match="sampling_ratio=0 takes as many samples as regions are large"):
        ax.from_onnx(made)


WHOLE = RNG.integers(0, 255, (1, 3, 6)).astype("uint8")


@pytest.mark.parametrize("rank", [3, 4])
def test_convolutions_of_few_bits(rank):
    x = WHOLE if rank == 3 else np.stack([WHOLE] * 5, -1)
    w = RNG.integers(-100, 100, (4, 3, *[3] * (rank - 2))).astype("int8")
    about = {"pads": [1] * 2 * (rank - 2), "strides": [2] * (rank - 2)}
    given = [
        constant("xs", 0.02), constant("xz", 120, "uint8"), constant("w", w, "int8"), constant("wz", [0] * 4, "int8"),
        constant("ws", [0.01, 0.02, 0.005, 0.03]), constant("ys", 0.5), constant("yz", 100, "uint8"),
        constant("b", [10, -20, 30, 40], "int32"),
    ]  # fmt: skip
    node = helper.make_node("QLinearConv", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"], ["y"], **about)
    compare([node], {"x": x}, given, kind=kinds.UINT8)
    if rank == 4:
        node = helper.make_node("ConvInteger", ["x", "w", "xz"], ["y"], **about)
        uint = [constant("w", w.astype("uint8"), "uint8"), given[1]]
        compare([node], {"x": x}, uint, kind=kinds.INT32)


@pytest.mark.parametrize("axis", [None, 1])
def test_there_and_back_in_eight_bits(axis):
    x = RNG.normal(size=(4, 3)).astype("float32") * 10
    scale, zero = ([0.05, 0.2, 0.1], [3, 100, 255]) if axis else (0.07, 128)
    about = {"axis": axis} if axis else {}
    given = [constant("s", scale), constant("z", zero, "uint8")]
    down = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], **about)
    compare([down, helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], **about)], {"x": x}, given)


FEW = RNG.integers(-8, 8, (8, 5))


@pytest.mark.parametrize("blocks", [0, 4])
@pytest.mark.parametrize("kind", [kinds.INT4, kinds.UINT4])
def test_weights_in_four_bits(kind, blocks):
    x = RNG.normal(size=(2, 8)).astype("float32")
    numbers = FEW if kind == kinds.INT4 else FEW + 8
    shape = (8 // blocks, 5) if blocks else (5,)
    scale = RNG.uniform(0.1, 1, shape).astype("float32")
    about = {"axis": 0, "block_size": blocks} if blocks else {"axis": 1}
    wide = helper.make_node("DequantizeLinear", ["w", "s", "z"], ["d"], **about)
    made = proto([wide, helper.make_node("MatMul", ["x", "d"], ["y"])], {"x": x},
                 [narrow("w", numbers, kind), constant("s", scale), narrow("z", np.full(shape, 1), kind)])  # fmt: skip
    model, params = ax.from_onnx(made)
    spread = scale.repeat(blocks, 0) if blocks else scale
    wanted = x @ ((numbers - 1) * spread)  # onnxruntime makes 8 bits of x in this place
    np.testing.assert_allclose(model.predict(params, x), wanted, rtol=1e-5, atol=1e-5)


EIGHT = [kinds.FLOAT8E4M3FN, kinds.FLOAT8E5M2, kinds.FLOAT8E4M3FNUZ, kinds.FLOAT8E5M2FNUZ]


@pytest.mark.parametrize("kind", EIGHT)
def test_weights_in_eight_bits_with_a_point(kind):
    x = RNG.normal(size=(2, 8)).astype("float32")
    wide = helper.make_node("DequantizeLinear", ["t", "s"], ["d"])
    turn = helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0])
    compare([turn, wide, helper.make_node("MatMul", ["x", "d"], ["y"])], {"x": x},
            [narrow("w", RNG.normal(size=(5, 8)), kind), constant("s", 0.5)])  # fmt: skip


FLOAT8 = kinds.FLOAT8E4M3FN


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [
        ([helper.make_node("Cast", ["x"], ["c"], to=FLOAT8), helper.make_node("Cast", ["c"], ["y"], to=1)], "Cast"),
        ([helper.make_node("CastLike", ["x", "w"], ["y"])], "CastLike"),
        ([helper.make_node("QuantizeLinear", ["x", "s", "w"], ["y"])], "QuantizeLinear"),
        ([helper.make_node("QuantizeLinear", ["x", "s"], ["y"], output_dtype=kinds.INT4)], "QuantizeLinear"),
        ([helper.make_node("Add", ["w", "w"], ["y"])], "Add"),
    ],
)
def test_nothing_is_rounded_to_few_bits(nodes, problem):
    made = proto(nodes, {"x": MAP}, [narrow("w", [1.0], FLOAT8), constant("s", 0.5)], version=23)
    with pytest.raises(ax.AxonError, match=rf"{problem}: makes numbers of 8 bits with a point, or of less than 8 bits"):
        ax.from_onnx(made)


def test_numbers_of_few_bits_are_no_output():
    value = narrow("w", [1.0], FLOAT8)
    nodes = [helper.make_node("Constant", [], ["c"], value=value), helper.make_node("Identity", ["c"], ["y"])]
    with pytest.raises(ax.AxonError, match=r"^output 'y': numbers of 8 bits with a point, or of less than 8 bits, are"):
        ax.from_onnx(proto(nodes, {"x": MAP}))


def test_damaged_numbers_of_few_bits():
    broken = onnx.TensorProto(name="w", data_type=kinds.INT4, dims=[5, 8], raw_data=b"123")
    nodes = [helper.make_node("DequantizeLinear", ["w", "s"], ["y"])]
    with pytest.raises(ax.AxonError, match=r"^tensor 'w': its numbers are not those of the shape \(5, 8\)"):
        ax.from_onnx(proto(nodes, {"x": MAP}, [broken, constant("s", 0.5)]))


def test_what_is_left_of_an_endless_divisor():
    a = np.array([1, -1, 1, -1, 0, np.inf, np.nan], "float32")
    b = np.array([np.inf, np.inf, -np.inf, -np.inf, np.inf, np.inf, np.inf], "float32")
    model, params = ax.from_onnx(proto([helper.make_node("Mod", ["a", "b"], ["y"])], {"a": a, "b": b}, version=28))
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(model.predict(params, {"a": a, "b": b}), np.mod(a, b))


@pytest.mark.parametrize("op", ["LessOrEqual", "GreaterOrEqual"])
def test_what_is_no_number_is_not_compared(op):
    a, b = np.array([np.nan, 1, 2, 3], "float32"), np.array([1, np.nan, 2, 4], "float32")
    compare([helper.make_node(op, ["a", "b"], ["y"])], {"a": a, "b": b}, kind=kinds.BOOL)
