import pytest

from axon_nb.errors import CellError
from axon_nb.magic.header import read_header


@pytest.mark.parametrize(
    ("line", "name", "inputs"),
    [
        ("", None, []),
        ("  ", None, []),
        ("mnist", "mnist", []),
        ("  mnist  # handwritten", "mnist", []),
        ("größe", "größe", []),
        ("f(x)", "f", [("x", None)]),
        ("f()", "f", []),
        ("f (x)", "f", [("x", None)]),
        ("(x: 3)", None, [("x", (None, 3))]),
        ("f(x,)", "f", [("x", None)]),
        ("generator(latent: 128)", "generator", [("latent", (None, 128))]),
        ("gan(image: (1, 28, 28), label: 10)", "gan", [("image", (None, 1, 28, 28)), ("label", (None, 10))]),
        ("f(x: (None, 16))", "f", [("x", (None, 16))]),
        ("f(x: ('batch', 16))", "f", [("x", ("batch", 16))]),
        ("f(x: (batch, time, 16))", "f", [("x", ("batch", "time", 16))]),
        ("f(x: (28, None))", "f", [("x", (None, 28, None))]),
        ("f(x: (28, time))", "f", [("x", (None, 28, "time"))]),
        ("f(x: time)", "f", [("x", (None, "time"))]),
        ("f(x: 'time')", "f", [("x", (None, "time"))]),
        ("f(x: None)", "f", [("x", None)]),
        ("f(x: ())", "f", [("x", (None,))]),
        ("f(x: [None, 784])", "f", [("x", (None, 784))]),
        ("f(x: {nil, 784})", "f", [("x", (None, 784))]),
        ("f(x: {28, 28})", "f", [("x", (None, 28, 28))]),
    ],
)
def test_name_and_inputs(line, name, inputs):
    header = read_header(line)
    assert (header.name, [(entry.name, entry.shape) for entry in header.inputs]) == (name, inputs)
    assert header.flags == ()


@pytest.mark.parametrize(
    ("line", "name", "flags"),
    [
        ("mnist --quiet", "mnist", ("--quiet",)),
        ("--quiet mnist", "mnist", ("--quiet",)),
        ("--columns layer,shape mnist(x: 3) --quiet", "mnist", ("--columns", "layer,shape", "--quiet")),
        ("--columns=layer mnist", "mnist", ("--columns=layer",)),
        ("mnist --columns 'layer, shape'", "mnist", ("--columns", "layer, shape")),
        ("--columns", None, ("--columns",)),
        ("--columns -x mnist", "mnist", ("--columns", "-x")),
    ],
)
def test_flags_stand_before_or_behind(line, name, flags):
    header = read_header(line, valued=("--columns",))
    assert (header.name, header.flags) == (name, flags)


def test_a_name_in_a_shape_is_a_size_where_it_is_a_whole_number():
    sizes = {"width": 128, "flag": True, "text": "a", "none": 0}
    header = read_header("f(a: width, b: (width, 2), c: flag, d: (text, 3), e: none, f: len)", sizes=sizes)
    shapes = [entry.shape for entry in header.inputs]
    assert shapes == [(None, 128), (None, 128, 2), (None, "flag"), ("text", 3), (None, "none"), (None, "len")]


def test_inputs_know_where_they_stand():
    spans = [(entry.span.column, entry.span.end_column) for entry in read_header("  ä(é: 3, abc)").inputs]
    line = "%%axon   ä(é: 3, abc)"
    assert [line[slice(*span)] for span in spans] == ["é", "abc"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "my-model --quiet",
            "'my-model' is not a name: names are made of letters, digits and _, and begin with no digit\n"
            "    %%axon my-model --quiet\n"
            "           ^^^^^^^^\n"
            "  fix: write %%axon my_model",
        ),
        (
            "my model",
            "'my model' is not a name: names are made of letters, digits and _, and begin with no digit\n"
            "    %%axon my model\n"
            "           ^^^^^^^^\n"
            "  fix: write %%axon my_model",
        ),
        (
            "class(x)",
            "'class' is a word of Python's own and cannot name a model\n"
            "    %%axon class(x)\n"
            "           ^^^^^\n"
            "  fix: write %%axon class_",
        ),
        (
            "f(latent: 128",
            "'(' is never closed\n    %%axon f(latent: 128\n            ^\n  fix: add the ')'",
        ),
        (
            "f(latent=128)",
            "an input's shape stands behind a ':'\n"
            "    %%axon f(latent=128)\n"
            "                    ^^^\n"
            "  fix: write latent: 128",
        ),
        (
            "f(a, b: 3, a)",
            "there are two inputs 'a'\n"
            "    %%axon f(a, b: 3, a)\n"
            "                      ^\n"
            "  fix: give each input a name of its own",
        ),
        (
            "f(*a)",
            "inputs are plain names\n"
            "    %%axon f(*a)\n"
            "            ^^^^\n"
            "  fix: write for example (latent: 128, label: 10)",
        ),
        (
            "f(a) g",
            "only flags may follow the inputs\n"
            "    %%axon f(a) g\n"
            "               ^^\n"
            "  fix: write %%axon NAME(input: shape, ...)",
        ),
        (
            "f(a, 3)",
            "Python cannot read this\n"
            "    %%axon f(a, 3)\n"
            "                ^\n"
            "  fix: write for example (latent: 128, label: 10)",
        ),
    ],
)
def test_what_cannot_be_read_is_pointed_at(line, message):
    with pytest.raises(CellError) as caught:
        read_header(line)
    assert str(caught.value) == f"cell line 1: {message}"


@pytest.mark.parametrize(
    "size", ["-1", "0", "2.5", "True", "1 + 1", "f(3)", "'a b'", "(1, 2)", "'x'[0]", "1 if a else 2"]
)
def test_shapes_are_read_and_never_run(size):
    line = f"f(x: (1, {size}))"
    with pytest.raises(CellError) as caught:
        read_header(line)
    message = str(caught.value).split("\n")
    assert message[0] == "cell line 1: a shape in the header holds whole numbers from 1 on, names and None"
    at = message[2].index("^") - 4
    assert f"%%axon {line}"[at : at + message[2].count("^")] == size
    assert message[3] == "  fix: write for example latent: 128 or image: (1, 28, 28)"
