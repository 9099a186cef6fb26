import ast

import pytest

from axon_nb.errors import CellError
from axon_nb.magic.text import read_cell


def plain(text):
    return ast.dump(ast.parse(text))


def places(cell):
    """Where each name stands, as the user sees it: line from 1, column from 0, in characters."""
    found = {}
    for node in ast.walk(cell.tree):
        if isinstance(node, ast.Name):
            line = cell.lines[node.lineno - 1]
            found[node.id] = (node.lineno, len(line.encode()[: node.col_offset].decode()))
    return found


@pytest.mark.parametrize(
    ("body", "python"),
    [
        ("a", "a"),
        ("a | b", "a | b"),
        ("a\n| b", "a | b"),
        ("a\n|> b |> c", "a | b | c"),
        ("a |\nb |\n\nc", "a | b | c"),
        ("a  # one\n\n# two\n   | b  # three\n\t| c\n", "a | b | c"),
        ("a\r\n\r\n# x\r\n| b\r\n", "a | b"),
        ("\n\na\n| b", "a | b"),
        ("\x0ca\n\x0c| b", "a | b"),
        ("x = a\n| b\nx\n| c", "x = a | b\nx | c"),
        ("x = a; y = b\n| c\ny", "x = a; y = b | c\ny"),
        ("def f(x):\n    return x\n    | b\n\nf(a)\n| c", "def f(x):\n    return x | b\nf(a) | c"),
        (
            "def f(x):\n    # why\n    y = x\n\n  | b\n    return y\nf(a)",
            "def f(x):\n    y = x | b\n    return y\nf(a)",
        ),
        ("x = (a\n | b)\nx", "x = a | b\nx"),
        ("x: M = a\n| b\nx", "x: M = a | b\nx"),
        ("x = a\nx\n|= b", "x = a\nx |= b"),
        ("x = [a\n|> b]\n|> c", "x = [a | b] | c"),
        ("a('|> # no')\n| b", "a('|> # no') | b"),
        ("a('''\n| no\n''')\n| b", "a('''\n| no\n''') | b"),
        ("a \\\n| b", "a | b"),
        ("  a\n  | b", "a | b"),
        ("  x = a\n\n  x\n  | b", "x = a\nx | b"),
        ("\tx = a\n\tx", "x = a\nx"),
        ("# note\n  a", "a"),
        ("a(lambda x: x\n | 3)\n| b", "a(lambda x: x | 3) | b"),
    ],
)
def test_pipes_over_lines_are_one_expression(body, python):
    assert ast.dump(read_cell("m", body).tree) == plain(python)


@pytest.mark.parametrize(
    ("body", "python"),
    [
        ("input({None, 784})", "input((None, 784))"),
        ("input(shape={None, 1, 28, 28}, name='x')", "input(shape=(None, 1, 28, 28), name='x')"),
        ("ax.input({784})", "ax.input((784,))"),
        ("a | reshape({28, 28})", "a | reshape((28, 28))"),
        ("a | ax.reshape(shape={28, 28})", "a | ax.reshape(shape=(28, 28))"),
        ("f({1, 1})", "f({1, 1})"),
        ("reshape(a, {1, 1})", "reshape(a, {1, 1})"),
        ("input({n for n in b})", "input({n for n in b})"),
        ("input({1: 2})", "input({1: 2})"),
    ],
)
def test_braces_of_a_shape_keep_order_and_equal_sizes(body, python):
    assert ast.dump(read_cell("m", body).tree) == plain(python)


@pytest.mark.parametrize(
    ("line", "body", "expected"),
    [
        ("m", "a\n| b", {"a": (2, 0), "b": (3, 2)}),
        ("m", "a |> b |>c", {"a": (2, 0), "b": (2, 5), "c": (2, 9)}),
        ("m", "\n\n# x\n  a  # y\n\n\t|\tb", {"a": (5, 2), "b": (7, 3)}),
        ("m", "    a\n    | b", {"a": (2, 4), "b": (3, 6)}),
        ("m", "a('äöü层') | b", {"a": (2, 0), "b": (2, 12)}),
        ("m", "a\r\n\r\n| b", {"a": (2, 0), "b": (4, 2)}),
        ("m", "'''\n\n''' | a", {"a": (4, 6)}),
        ("m", "a\x0c| b\x0c\n\x0c| c", {"a": (2, 0), "b": (2, 4), "c": (3, 3)}),
        ("m", "input({None, a}) | b", {"input": (2, 0), "a": (2, 13), "b": (2, 19)}),
        ("f(latent: 128)", "| b\n|> c", {"latent": (1, 9), "b": (2, 2), "c": (3, 3)}),
        ("  ä ( é )", "# x\n\n  | b", {"é": (1, 13), "b": (4, 4)}),
        ("--quiet f(x)", "| b\ny = 3\ny", {"x": (1, 17), "b": (2, 2), "y": (4, 0)}),
    ],
)
def test_positions_are_those_of_the_cell_as_the_user_sees_it(line, body, expected):
    cell = read_cell(line, body)
    assert places(cell) == expected
    for name, (number, column) in expected.items():
        assert cell.lines[number - 1][column:].startswith(name)


def test_the_pipe_at_the_start_takes_the_one_input():
    cell = read_cell("f(latent: 128)", "\n| dense(3)\n| relu()\n")
    assert ast.unparse(cell.tree) == "latent | dense(3) | relu()"
    assert cell.inputs == (("latent", (None, 128)),)


def test_code_has_the_same_positions_as_the_tree():
    cell = read_cell("m", "a\n\n  | 'ä' | c")
    positions = {at for at in cell.code.co_positions() if at[2] is not None}
    assert {(4, 4, 11, 12), (2, 4, 0, 8), (2, 4, 0, 12)} <= positions


@pytest.mark.parametrize(
    ("line", "body", "name", "result"),
    [
        ("m", "a | b", "m", "__axon_value__"),
        ("", "a | b", None, "__axon_value__"),
        ("", "a | b;", None, "__axon_value__"),
        ("", "net = a", "net", "net"),
        ("m", "net = a", "m", "net"),
        ("", "x = net = a", "net", "net"),
        ("", "net: Model = a", "net", "net"),
        ("", "net = a\nnet |= b", "net", "net"),
        ("", "@model\ndef net(x):\n    return x | b", "net", "net"),
    ],
)
def test_the_value_is_the_last_expression_or_what_the_last_name_holds(line, body, name, result):
    cell = read_cell(line, body)
    assert (cell.name, cell.result) == (name, result)


def test_a_cell_tells_its_versions_apart():
    names = {read_cell(*cell).filename for cell in [("m", "a"), ("m", "b"), ("m", "a"), ("m --quiet", "a")]}
    assert len(names) == 3
    assert all(name.startswith("<axon m ") for name in names)


def test_a_very_long_pipeline_can_be_read():
    # CPython's own compiler gives up a little above this on 3.11.
    cell = read_cell("m", "a\n" + "| b(1)\n" * 600)
    assert isinstance(cell.tree.body[0].value, ast.BinOp)


@pytest.mark.parametrize(
    ("line", "body", "message"),
    [
        (
            "m",
            "",
            "cell line 1: the cell is empty\n    %%axon m\n    ^^^^^^^^\n"
            "  fix: write for example input((None, 784)) | dense(10)",
        ),
        (
            "m",
            "\n# a\n\n  # b",
            "cell line 1: the cell holds only comments\n    %%axon m\n    ^^^^^^^^\n"
            "  fix: write for example input((None, 784)) | dense(10)",
        ),
        (
            "m",
            "# a\n  |> dense(3)",
            "cell line 3: nothing stands before the pipe\n    |> dense(3)\n    ^^\n"
            "  fix: begin with input(...), or name the input in the header: %%axon NAME(x: 784)",
        ),
        (
            "m(a, b)",
            "| dense(3)",
            "cell line 2: it is not clear which of a and b goes into the pipe\n    | dense(3)\n    ^\n"
            "  fix: write (a, b) | concatenate(), or name the one that is meant",
        ),
        (
            "m",
            "x = 1\nfor i in x:\n    y = i",
            "cell line 3: the last statement has no value, so there is no model\n    for i in x:\n    ^^^^^^^^^^^\n"
            "  fix: end the cell with the model, or with the name that holds it",
        ),
        (
            "m",
            "a, b = x",
            "cell line 2: the last statement has no value, so there is no model\n    a, b = x\n    ^^^^^^^^\n"
            "  fix: end the cell with the model, or with the name that holds it",
        ),
    ],
)
def test_a_cell_without_a_model_says_so(line, body, message):
    with pytest.raises(CellError) as caught:
        read_cell(line, body)
    assert str(caught.value) == message
