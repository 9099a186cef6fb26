import inspect
import traceback

import pytest

from axon_nb.errors import AxonError, CellError, OptionError, ShapeError, UnknownNameError
from axon_nb.magic.cell import run
from axon_nb.magic.text import read_cell


@pytest.fixture
def make(library):
    def make(body, line="m", **user):
        before = dict(user)
        try:
            cell = read_cell(line, body)
            return run(
                cell,
                user,
                library.layers,
                library.make_input,
                is_model=library.is_model,
                unapplied=library.unapplied,
            )
        finally:
            assert user == before

    return make


def names(result):
    return [layer.name for layer in result.value.layers]


def test_a_pipeline_is_a_model(make):
    result = make("input((None, 3))\n| dense(3)\n\n|> flatten()")
    assert names(result) == ["input", "dense", "flatten"]
    assert result.assigned == {}


def test_other_assignments_are_returned(make):
    result = make(
        "import math\nwidth = size + 1\nx = input((None, width))\ndef f(): return width\nx | dense(f())", size=2
    )
    assert sorted(result.assigned) == ["f", "math", "width", "x"]
    assert result.assigned["width"] == 3
    assert result.value.layers[1].options == (3,)


@pytest.mark.parametrize(
    "body",
    ["net = input() | dense(3)", "a = net = input() | dense(3)", "net: object = input() | dense(3)",
     "net = input()\nnet |= dense(3)", "def on(f): return f(input())\n@on\ndef net(x): return x | dense(3)"],
)  # fmt: skip
def test_the_last_name_may_be_the_model(make, body):
    result = make(body)
    assert names(result) == ["input", "dense"]
    assert result.assigned["net"] is result.value


def test_inputs_come_from_the_header(make):
    result = make("| dense(3)\n| flatten()", "f(latent: 128)")
    assert result.value.layers[0].options == ("latent", (None, 128))
    assert result.assigned == {}


def test_inputs_are_written_in_the_header(make):
    source = make("| dense(3)", "ä(é: 128)").value.layers[0].source
    assert source.filename.startswith("<axon ä ")
    assert source.text == "%%axon ä(é: 128)"
    line, _, start, end = source.position
    assert (line, source.text.encode()[start:end].decode()) == (1, "é")


def test_functions_of_a_cell_can_be_inspected(make):
    result = make("def f(x):\n    return x | dense(3)  # here\nf(input())")
    assert inspect.getsource(result.assigned["f"]) == "def f(x):\n    return x | dense(3)  # here\n"


def test_layers_know_where_they_stand(make):
    source = make("input()\n# a\n  |> dense(3)").value.layers[1].source
    assert (source.line, source.text) == (4, "  |> dense(3)")


@pytest.mark.parametrize(
    ("error", "line", "body", "message"),
    [
        (
            UnknownNameError,
            "m",
            "input(3)\n  | dens(3)",
            "cell line 3: there is no layer or variable 'dens'\n    | dens(3)\n      ^^^^\n"
            "  fix: did you mean 'dense'?\n"
            "  fix: %axon layers lists all layers",
        ),
        (
            UnknownNameError,
            "m",
            "width = 3\ninput(3)\n| dense('ä', widht)",
            "cell line 4: there is no layer or variable 'widht'\n    | dense('ä', widht)\n                 ^^^^^\n"
            "  fix: did you mean 'width'?\n"
            "  fix: %axon layers lists all layers",
        ),
        (
            UnknownNameError,
            "m",
            "input({nil, 784})",
            "cell line 2: there is no 'nil' in Python\n    input({nil, 784})\n           ^^^\n  fix: write None",
        ),
        (
            UnknownNameError,
            "m",
            "def f(x):\n    return x | zzz\n\nf(input())",
            "cell line 3: there is no layer or variable 'zzz'\n    return x | zzz\n               ^^^\n"
            "  fix: %axon layers lists all layers",
        ),
        (
            OptionError,
            "m",
            "input(3) | dense(3, rate=2) | flatten()",
            "dense (cell line 2): rate is from 0 to 1, got 2\n"
            "    input(3) | dense(3, rate=2) | flatten()\n"
            "                        ^^^^^^",
        ),
        (
            OptionError,
            "m",
            "def f(x):\n    return x | dense(3,\n                     rate=2)\nf(input())",
            "dense (cell line 4): rate is from 0 to 1, got 2\n    rate=2)\n    ^^^^^^",
        ),
        (
            OptionError,
            "m",
            "input(3)\n| flatten() | 7\n| flatten()",
            "cell line 3: 7 is not a layer\n    | flatten() | 7\n                  ^\n  fix: pipe into a layer",
        ),
        (
            ShapeError,
            "m",
            "input(\n  (None, 0)\n)",
            "cell line 2: a size is at least 1\n    input(\n    ^^^^^\n  got: (None, 0)",
        ),
        (
            CellError,
            "m",
            "x = 1\ninput(3) | dense(x / 0)",
            "cell line 3: ZeroDivisionError: division by zero\n    input(3) | dense(x / 0)\n                     ^^^^^",
        ),
        (
            CellError,
            "m",
            "input(3) | dense(int('a\\nb'))",
            "cell line 2: ValueError: invalid literal for int() with base 10: 'a\\nb'\n"
            "    input(3) | dense(int('a\\nb'))\n"
            "                     ^^^^^^^^^^^",
        ),
        (
            CellError,
            "m",
            "raise ValueError('one\\ntwo')\nx = 3",
            "cell line 2: ValueError: one ...\n    raise ValueError('one\\ntwo')\n    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        (
            CellError,
            "m",
            "assert False\nx = 3",
            "cell line 2: AssertionError\n    assert False\n    ^^^^^^^^^^^^",
        ),
        (
            CellError,
            "dense(x)",
            "| flatten()",
            "cell line 1: 'dense' is a layer, which a model of that name would hide\n    %%axon dense(x)\n"
            "           ^^^^^\n  fix: write for example %%axon dense_model",
        ),
        (
            CellError,
            "m",
            "dense = 3\ninput() | dense(3)",
            "cell line 3: 'dense' is your own variable (an int) and hides the layer\n    input() | dense(3)\n"
            "              ^^^^^^^^\n"
            "  got: TypeError: 'int' object is not callable\n"
            "  fix: give the variable another name",
        ),
        (
            CellError,
            "m",
            "y = 3\ninput() | y(3)",
            "cell line 3: TypeError: 'int' object is not callable\n    input() | y(3)\n              ^^^^",
        ),
    ],
)
def test_an_error_says_where_and_what(make, error, line, body, message):
    with pytest.raises(AxonError) as caught:
        make(body, line)
    assert (type(caught.value), str(caught.value)) == (error, message)


def test_a_bad_shape_in_the_header_is_pointed_at(library):
    def refuse(name, shape):
        raise ShapeError("too small", where=f"input {name!r}", got=str(shape))

    cell = read_cell("f(é: 3, b: 4)", "é")
    with pytest.raises(ShapeError) as caught:
        run(cell, {}, library.layers, refuse, is_model=library.is_model)
    assert str(caught.value) == (
        "input 'é' (cell line 1): too small\n    %%axon f(é: 3, b: 4)\n             ^\n  got: (None, 3)"
    )


def test_a_variable_of_the_user_that_hides_a_layer_is_named(make):
    with pytest.raises(CellError) as caught:
        make("input()\n| flatten()", flatten=len)
    assert str(caught.value) == (
        "cell line 3: 'flatten' is your own variable (a builtin_function_or_method) and hides the layer\n"
        "    | flatten()\n"
        "      ^^^^^^^^^\n"
        "  got: TypeError: len() takes exactly one argument (0 given)\n"
        "  fix: del flatten"
    )


def test_an_error_in_the_users_own_module_points_at_the_call(make):
    helper = {}
    exec(compile("def helper():\n    return undefined_name", "helper.py", "exec"), helper)
    with pytest.raises(CellError) as caught:
        make("x = 1\nhelper()", helper=helper["helper"])
    assert str(caught.value) == (
        "cell line 3: NameError: name 'undefined_name' is not defined\n    helper()\n    ^^^^^^^^"
    )
    assert isinstance(caught.value.__cause__, NameError)


def test_the_original_error_is_kept(make):
    with pytest.raises(CellError) as caught:
        make("x = 1\nx / 0")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    shown = "".join(traceback.format_exception(caught.value.__cause__))
    assert "line 3, in <module>\n    x / 0\n" in shown


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_passes(make, kind):
    with pytest.raises(kind):
        make("stop()", stop=lambda: (_ for _ in ()).throw(kind))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "dense(3)\n| flatten()",
            "cell line 2: this is a Block: it has no input yet, so it is no model\n    dense(3)\n    ^^^^^^^^\n"
            "  fix: start with input(...), for example: input((None, 784)) | ...",
        ),
        (
            "x = 3\ny = dense(3)",
            "cell line 3: this is a Layer: it has no input yet, so it is no model\n    y = dense(3)\n    ^^^^^^^^^^^^\n"
            "  fix: start with input(...), for example: input((None, 784)) | ...",
        ),
        (
            "[].clear()",
            "cell line 2: the cell makes None, not a model\n    [].clear()\n    ^^^^^^^^^^\n"
            "  fix: end the cell with the model",
        ),
        (
            "x = 3\nx",
            "cell line 3: the cell makes an int, not a model\n    x\n    ^\n  got: 3\n  fix: end it with the model",
        ),
        (
            "'a' * 99",
            "cell line 2: the cell makes a str, not a model\n    'a' * 99\n    ^^^\n"
            f"  got: '{'a' * 59}...\n  fix: end it with the model",
        ),
        (
            "input(), input()",
            "cell line 2: the cell makes a tuple, not one model\n    input(), input()\n    ^^^^^^^^^^^^^^^^\n"
            "  fix: outputs(name=..., other=...) makes one model of several",
        ),
        (
            "def net(x):\n    return x",
            "cell line 2: 'net' is a function, not a model\n    def net(x):\n    ^^^^^^^^^^^\n  fix: call it: net(...)",
        ),
    ],
)
def test_what_is_no_model_is_named(make, body, message):
    with pytest.raises(CellError) as caught:
        make(body)
    assert str(caught.value) == message
