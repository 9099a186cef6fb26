"""The list of ONNX backend tests that fail is true, and what is read in another way than node by node works."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import axon_nb as ax

onnx = pytest.importorskip("onnx")
backend = importlib.import_module("onnx_backend")  # it needs the package

helper, FLOAT, INT64 = onnx.helper, onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
TESTS = backend.load_tests()
SAMPLE = TESTS[::40]


@pytest.mark.parametrize(("kind", "test"), SAMPLE, ids=[test.name for _, test in SAMPLE])
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of ONNX's reference and NumPy, in tests of infinities
def test_each_fortieth_test_does_what_the_list_says(kind, test):
    made_with, failures = backend.listed()
    if made_with != backend.VERSIONS:
        pytest.skip(f"the list was made with {made_with}, and here are {backend.VERSIONS}: run onnx_backend.py --write")
    assert backend.outcome(kind, test, backend.run) == failures.get(test.name)


def test_the_list_names_tests_that_are_there_and_the_rate():
    made_with, failures = backend.listed()
    if made_with != backend.VERSIONS:
        pytest.skip(f"the list was made with {made_with}, and here are {backend.VERSIONS}: run onnx_backend.py --write")
    assert set(failures) <= {test.name for _, test in TESTS}
    head = backend.LIST.read_text(encoding="utf-8").partition("\n")[0]
    assert head == f"# {made_with}: {len(TESTS) - len(failures)} of {len(TESTS)} tests pass; these do not"


def test_the_well_known_networks_all_pass():
    head, *lines = backend.REAL.read_text(encoding="utf-8").splitlines()
    if head != f"# {backend.VERSIONS}":
        pytest.skip(f"the list was made with {head[2:]}: run onnx_backend.py --real --write")
    told = dict(line.split(": ", 1) for line in lines)
    assert set(told) == {test.name for _, test in backend.load_tests(real=True)}
    assert all(re.match(r"passed, largest error \d\.\de[-+]\d\d, \d+ s", one) for one in told.values())


@pytest.mark.slow
def test_a_well_known_network_gives_its_results():
    ((kind, test),) = backend.load_tests(["squeezenet"], real=True)
    assert backend.outcome(kind, test, backend.run) is None


def value(name, shape, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name, numbers, kind="int64"):
    return onnx.numpy_helper.from_array(np.asarray(numbers, kind), name)


def read(nodes, outputs=("y",), constants=(), inputs=None, **about):
    graph = helper.make_graph(
        nodes, "g", inputs or [value("x", ("batch", 4))], [value(name, None) for name in outputs], list(constants)
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    return ax.from_onnx(proto.SerializeToString(), **about)


def branch(op, name):
    return helper.make_graph([helper.make_node(op, ["x"], [name])], op, [], [value(name, None)])


X = np.linspace(-2, 2, 8).reshape(2, 4).astype("float32")


@pytest.mark.parametrize(("known", "op", "wanted"), [(True, "relu", np.maximum(X, 0)), (False, "tanh", np.tanh(X))])
def test_a_branch_that_is_known_is_put_in_place(known, op, wanted):
    choose = helper.make_node("If", ["c"], ["y"], then_branch=branch("Relu", "a"), else_branch=branch("Tanh", "b"))
    model, params = read([choose], constants=[constant("c", known, "bool")])
    assert [node.op for node in model.nodes] == ["input", op]
    np.testing.assert_allclose(model.predict(params, X), wanted, rtol=1e-6)


def test_a_branch_that_is_not_known_is_chosen_when_it_is_run():
    asks = [helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0), helper.make_node("Greater", ["s", "zero"], ["c"])]
    choose = helper.make_node("If", ["c"], ["y"], then_branch=branch("Relu", "a"), else_branch=branch("Tanh", "b"))
    model, params = read([*asks, choose], constants=[constant("zero", 0, "float32")])
    np.testing.assert_allclose(model.predict(params, X + 1), np.maximum(X + 1, 0), rtol=1e-6)
    np.testing.assert_allclose(model.predict(params, X - 1), np.tanh(X - 1), rtol=1e-6)


def loop(count, condition="keep_in"):
    nodes = [
        helper.make_node("Mul", ["v_in", "two"], ["v_out"]),
        helper.make_node("Identity", ["v_out"], ["each"]),
        helper.make_node("Identity", [condition], ["keep_out"]),
    ]
    body = helper.make_graph(
        nodes, "body", [value("i", [], INT64), value("keep_in", []), value("v_in", None)],
        [value("keep_out", []), value("v_out", None), value("each", None)],
    )  # fmt: skip
    constants = [constant("n", count), constant("two", 2, "float32"), constant("off", False, "bool")]
    return [helper.make_node("Loop", ["n", "", "x"], ["y", "all"], body=body)], constants


def test_a_counted_loop_is_unrolled():
    nodes, constants = loop(3)
    model, params = read(nodes, ("y", "all"), constants)
    found = model.predict(params, X)
    np.testing.assert_allclose(found["y"], X * 8)
    np.testing.assert_allclose(found["all"], [X * 2, X * 4, X * 8])
    nodes, constants = loop(3, "off")
    model, params = read(nodes, ("y",), constants)
    np.testing.assert_allclose(model.predict(params, X), X * 2)


def test_loops_that_are_not_counted():
    nodes, constants = loop(10**12)
    with pytest.raises(ax.AxonError, match=r"Loop: would be unrolled to more than 2,000 nodes"):
        read(nodes, ("y",), constants)
    nodes, constants = loop(0)
    with pytest.raises(ax.AxonError, match=r"takes no step, so that what it would give is not known"):
        read(nodes, ("y", "all"), constants)
    nodes, constants = loop(3)
    with pytest.raises(ax.AxonError, match=r"its number of steps is not known when the model is read"):
        read(nodes, ("y",), constants[1:], [value("x", ("batch", 4)), value("n", [], INT64)])
    nodes, constants = loop(3, "c")
    with pytest.raises(ax.AxonError, match=r"whether it goes on is not known when the model is read"):
        read(nodes, ("y",), constants, [value("x", ("batch", 4)), value("c", [], onnx.TensorProto.BOOL)])
    other = helper.make_graph([helper.make_node("ReduceSum", ["x"], ["b"])], "sum", [], [value("b", None)])
    choose = helper.make_node("If", ["c"], ["y"], then_branch=branch("Relu", "a"), else_branch=other)
    with pytest.raises(ax.AxonError, match=r"is not known when the model is read, and its branches give other shapes"):
        read([choose], inputs=[value("x", ("batch", 4)), value("c", [], onnx.TensorProto.BOOL)])


def test_sequences_are_lists_while_a_model_is_read():
    node = helper.make_node
    nodes = [
        node("SplitToSequence", ["x", "cuts"], ["parts"], axis=1),
        node("SequenceAt", ["parts", "one"], ["middle"]),
        node("Tanh", ["middle"], ["turned"]),
        node("SequenceInsert", ["parts", "turned", "zero"], ["more"]),
        node("SequenceErase", ["more", "one"], ["fewer"]),
        node("ConcatFromSequence", ["fewer"], ["y"], axis=1),
        node("SequenceLength", ["fewer"], ["count"]),
    ]
    constants = [constant("cuts", [1, 2, 1]), constant("one", 1), constant("zero", 0)]
    model, params = read(nodes, ("y", "count"), constants)
    found = model.predict(params, X)
    np.testing.assert_allclose(found["y"], np.concatenate([np.tanh(X[:, 1:3]), X[:, 1:]], 1), rtol=1e-6)
    assert int(np.ravel(found["count"])[0]) == 3
    for changed, match in (
        (node("SequenceAt", ["parts", "far"], ["y"]), "there is no place 9 in a sequence of 3"),
        (node("SequenceInsert", ["parts", "x", "far"], ["y"]), "there is no place 9 in a sequence of 3"),
        (node("SequenceAt", ["x", "one"], ["y"]), "takes a sequence"),
    ):
        with pytest.raises(ax.AxonError, match=match):
            read([nodes[0], changed], ("y",), [*constants, constant("far", 9)])
    with pytest.raises(ax.AxonError, match=r"does not cut 4 cells into parts of 3, 3"):
        read([nodes[0], nodes[1]], ("middle",), [constant("cuts", [3, 3]), constants[1]])
    with pytest.raises(ax.AxonError, match="joins a sequence of nothing"):
        read([node("SequenceEmpty", [], ["e"]), node("ConcatFromSequence", ["e"], ["y"], axis=0)])
    with pytest.raises(ax.AxonError, match="its size on that axis is not known"):
        read([node("SplitToSequence", ["x"], ["parts"], axis=0), nodes[1]], ("middle",), constants)


def test_constants_that_are_one_number_throughout():
    fill = helper.make_node("ConstantOfShape", ["s"], ["w"], value=constant("", [0.5], "float32"))
    product = helper.make_node("MatMul", ["x", "w"], ["y"])
    model, params = read([fill, product], constants=[constant("s", [4, 3])])
    assert [node.op for node in model.nodes] == ["input", "dense"]
    np.testing.assert_allclose(model.predict(params, X), np.repeat(X.sum(1, keepdims=True) / 2, 3, 1), rtol=1e-6)
    for sizes, match in (([2**14, 2**14], "would make 268,435,456 numbers"), ([4, -1], "its inputs do not fit")):
        with pytest.raises(ax.AxonError, match=match):
            read([fill, product], constants=[constant("s", sizes)])


@pytest.mark.parametrize("op", ["Div", "Mod"])
def test_whole_numbers_divided_by_zero_do_not_end_the_process(op):
    inputs = [value("x", ("batch", 4), INT64), value("by", ("batch", 4), INT64)]
    model, params = read([helper.make_node(op, ["x", "by"], ["y"])], inputs=inputs)
    x = np.array([[7, -7, 8, -(2**63)]])
    found = model.predict(params, {"x": x, "by": np.array([[2, 2, 0, -1]])})
    assert found[0, :2].tolist() == ([3, -3] if op == "Div" else [1, 1])
