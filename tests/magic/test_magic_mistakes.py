"""Every kind of text that Python cannot read: the words, the line and the columns, exactly."""

import pytest

from axon_nb.errors import CellError
from axon_nb.magic.mistakes import HABITS
from axon_nb.magic.text import read_cell

LAMBDA = "functions are not written with fn in Python"
CASES = [
    # Elixir
    ("input(3) | dense(9, activation: :relu)", 2, "options are written with '=' and names in quotes",
     "activation: :relu", 'write activation="relu"'),
    ("input(3) | dense(9, rate: 'relu')", 2, "options are written with '='", "rate:", "write rate=..."),
    ("input(3)\n| dense(9,\n  use_bias: False)", 4, "options are written with '='", "use_bias:", "write use_bias=..."),
    ("input(3) | dense(9, :relu)", 2, "':relu' is an atom in Elixir", ":relu", 'write "relu"'),
    ("x = %{a: 3}\nx", 2, "'%{' begins a map in Elixir", "%{", "write {key: value}, without the %"),
    ("for i in x do\n  y\nend", 2, "blocks do not begin with do in Python", "do",
     "end the line with ':' and indent the next"),
    ("if x:\n  y\nend\nx y", 4, "blocks do not end with end in Python", "end", "take it out"),
    ("f = fn x -> x end\nf", 2, LAMBDA, "fn x ->", "write (lambda x: ...)"),
    # JavaScript, other languages, a shell
    ("f(a => 3)", 2, "'=>' is not Python", "=>", "write '=' in a call and ':' in a dict"),
    ("%matplotlib inline\ninput(3)", 2, "IPython's commands do not work in a %%axon cell", "%matplotlib",
     "put it in its own cell"),
    ("input(3)\n!ls", 3, "IPython's commands do not work in a %%axon cell", "!ls", "put it in its own cell"),
    ("dense?", 2, "help with '?' does not work in a %%axon cell", "dense?", "ask in a cell of its own"),
    ("dense(9, activation=“relu”)", 2, "Python does not know this kind of quote", "“", "write \" or '"),
    # pipes
    ("input(3) dense(9)", 2, "nothing stands between the two", " ", "write | to join layers"),
    ("input(3) -> dense(9)", 2, "'->' joins no layers", "->", "write | in its place"),
    ("input(3) |", 2, "nothing stands behind the pipe", "|", "take it out, or add a layer"),
    ("input(3)\n|> dense(9)\n|> # later", 4, "nothing stands behind the pipe", "|>", "take it out, or add a layer"),
    ("input(3) || dense(9)", 2, "two pipes with nothing between", "|", "take one out"),
    ("input(3)\n|\n\n| dense(9)", 5, "two pipes with nothing between", "|", "take one out"),
    ("input(3);\n| dense(9)", 2, "the ';' ends the statement before the pipe", ";", "take it out"),
    # brackets and quotes
    ("input((None, 784)\n| dense(9)\n| relu()", 2, "'(' is never closed", "(", "add the ')'"),
    ("input((None, 784))\n| dense([9)\n| relu()", 3, "')' does not close the '['", ")", "write ']'"),
    ("input((None,\n 784])", 3, "']' does not close the '(' of cell line 2", "]", "write ')'"),
    ("input(3))\n| dense(9)", 2, "')' closes nothing", ")", "take it out"),
    ("input('abc) | dense(9)", 2, "the quote is never closed", "'", "add the closing quote"),
    ("x = '''ab\n| y", 2, "the quote is never closed", "'", "add the closing quote"),
    # Python
    ("input(3)\n| dense(9 'relu')", 3, "a comma is missing", "9 'relu'", "write a comma between the two"),
    ("input(3)\n| dense('ä', 9 'relu')", 3, "a comma is missing", "9 'relu'", "write a comma between the two"),
    ("input(3)\n  | dense(9)\n  y = 3", 4, "this line is indented more than the one before", "y",
     "begin it in the same column"),
    ("  a\nb", 2, "this line is indented more than the one before", "a", "begin it in the same column"),
    ("if x:\n    y\n  z", 4, "this line is indented less than its block", "z", "begin it in a column used before"),
    ("dense(units=9, 4)", 2, "an option with a name stands before one without", ")",
     "write those without a name first"),
    ("return input(3)", 2, "return works only in a function", "return input(3)", "end the cell with the model itself"),
    ("x = 3 4", 2, "Python cannot read this", "4", None),
    ("a(9) = x\nx", 2, "cannot assign to function call here. Maybe you meant '==' instead of '='?", "a(9)", None),
    ("await x", 2, "'await' outside function", "await x", None),
    ("if x:\ny", 3, "expected an indented block after 'if' statement on line 2", "y", None),
]  # fmt: skip


@pytest.mark.parametrize(("body", "line", "problem", "at", "fix"), CASES)
def test_a_mistake_is_named_and_pointed_at(body, line, problem, at, fix):
    with pytest.raises(CellError) as caught:
        read_cell("m", body)
    first, text, carets, *rest = str(caught.value).split("\n")
    assert first == f"cell line {line}: {problem}"
    assert text == "    " + body.split("\n")[line - 2].strip()
    start = carets.index("^")
    assert text[start : start + carets.count("^")] == at
    assert carets.strip(" ^") == ""
    assert rest == ([f"  fix: {fix}"] if fix else [])


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.pattern)
def test_every_habit_has_a_case(habit):
    assert any(habit.problem.format("", "relu") == problem for _, _, problem, *_ in CASES)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("a\0b", "the cell holds a null character"),
        ("x = '\ud800'", "the cell holds half of a character"),
        ("-" * 100_000 + "1", "the cell is nested too deeply"),
        ("(" * 300 + "1" + ")" * 300, "the cell is nested too deeply"),
    ],
)
def test_what_python_has_no_place_for_is_said_all_the_same(body, problem):
    with pytest.raises(CellError) as caught:
        read_cell("m", body)
    assert caught.value.problem.split("\n")[0] == problem


@pytest.mark.parametrize(
    "body",
    [
        "f(lambda x, y: x 3)",
        "{'a': 1, b: 2 3}",
        "x[1, a: 3 4]",
    ],
)
def test_colons_of_python_are_not_taken_for_options(body):
    with pytest.raises(CellError) as caught:
        read_cell("m", body)
    assert "options are written" not in str(caught.value)


def test_the_error_is_of_ours_alone():
    with pytest.raises(CellError) as caught:
        read_cell("m", "a b")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert caught.value._render_traceback_() == ["CellError: cell line 2: Python cannot read this\n    a b\n      ^"]
