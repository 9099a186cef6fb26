"""Mistakes of people who come from elsewhere, or whose mind was elsewhere: each is answered in one go, in our words."""

import pytest

X = "input((None, 784))"

MISTAKES = [
    # as in Keras and PyTorch
    ("Dense(units=32, input_shape=(784,))", "no layer or variable 'Dense'", "did you mean 'dense'"),
    (f"{X} | dense(32, input_shape=(784,))", "layers find out by themselves what they get", "leave it out; input("),
    (f"{X} | conv(8, 3, in_channels=3)", "layers find out by themselves what they get", "leave it out; input("),
    ("model = Sequential()\nmodel", "no layer or variable 'Sequential'", "layers are joined by |: input("),
    (f"m = {X}\nm.add(dense(3))", "a model has no 'add'", "layers are joined by |, and make another model"),
    ("m = dense(3)\nm.append(dense(3))", "a layer has no 'append'", "layers are joined by |, and make another layer"),
    (f"{X}.dense(10)", "a model has no 'dense'", "layers are joined by |: model | dense(...)"),
    (f"{X}.Conv2d(10)", "a model has no 'Conv2d'", "layers are joined by |: model | conv(...)"),
    (f"{X} | dense(10).relu()", "a layer has no 'relu'", "layers are joined by |: layer | relu(...)"),
    (f"{X}.shape", "a model has no 'shape'", "model.output_shape"),
    (f"{X}.parameters()", "a model has no 'parameters'", "model.params lists them"),
    (f"{X}.output_shap", "a model has no 'output_shap'", "did you mean 'output_shape'"),
    (f"{X} | dense(10, bias=False)", "there is no dense option 'bias'", "did you mean 'use_bias'"),
    # values
    (f"{X} | dense('10')", "units must be a whole number of at least 1, got '10'", "write units=10"),
    (f"{X} | dense(32.0)", "units must be a whole number of at least 1, got 32.0", "write units=32"),
    (f"{X} | dense(3.5)", "units must be a whole number of at least 1, got 3.5", "for example units=128"),
    (f"{X} | dense(-5)", "units must be a whole number of at least 1, got -5", "for example units=128"),
    (f"{X} | dense('-5')", "units must be a whole number of at least 1, got '-5'", "for example units=128"),
    (f"{X} | dense('relu')", "got 'relu'", "did you mean activation='relu'? dense(units=128, activation='relu')"),
    (f"{X} | dropout('0.5')", "at least 0 and below 1, got '0.5'", "write rate=0.5"),
    (f"{X} | dropout(50)", "at least 0 and below 1, got 50", "for example rate=0.5"),
    (f"{X} | dense(10, 'rely')", "there is no activation 'rely'", "did you mean 'relu'"),
    (f"{X} | dense", "units must be given", "dense(units=128)"),
    (f"{X} | mine()", "k must be given", "mine(k=1)"),
    (f"{X} | mine('3')", "k must be a whole number, got '3'", "write k=3"),
    (f"{X} | mine(3, 4)", "takes 1 positional option (k)", ""),
    # shapes
    ("input(None, 784) | dense(3)", "input takes one shape", "brackets of its own: input((None, 784))"),
    ("input(784) | dense(3)", "a shape is a tuple", "write (None, 784)"),
    ("input((None, -3)) | dense(3)", "every size in a shape is at least 1", "write None"),
    # what is no layer
    (f"{X} | 'relu'", "a str is not a layer", "write relu(), without quotes"),
    (f"{X} | 'ReLU'", "a str is not a layer", "write relu(), without quotes"),
    (f"{X} | None", "None is not a layer", "pipe into a layer"),
    (f"{X} | 10", "an int is not a layer", "pipe into a layer"),
    (f"{X} | (dense(3), 4)", "a tuple is not a layer", "x | (dense(8), relu()) | concatenate()"),
    (f"{X} | [dense(3), 'relu']", "a list is not a layer", "x | (dense(8), relu()) | concatenate()"),
    (f"{X} | (lambda: 3)", "function takes no tensor", "lambda x: ..."),
    (f"{X} | (lambda x, y: x)", "takes 2 inputs and got 1", "(a, b) | (lambda x, y: ...)"),
    # signs
    (f"{X} >> dense(10)", "'>>' is nothing that models and layers do", "layers are joined by |"),
    (f"{X} > dense(10)", "'>' is nothing that models and layers do", "layers are joined by |"),
    (f"{X} | dense(3) >> relu()", "'>>' is nothing that models and layers do", "layers are joined by |"),
    (f"{X} / 2", "'/' is nothing that models and layers do", "model | (lambda x: x / 2)"),
    (f"2 / {X}", "'/' is nothing that models and layers do", "model | (lambda x: x / 2)"),
    (f"x = {X}\nx @ x", "'@' is nothing that models and layers do", "(a, b) | (lambda a, b: a @ b)"),
    (f"{X} -> dense(10)", "'->' joins no layers", "write | in its place"),
    (f"{X} dense(10)", "nothing stands between the two", "write | to join layers"),
    (f"{X} || dense(10)", "two pipes with nothing between", "take one out"),
    (f"({X} | dense(10)", "'(' is never closed", "add the ')'"),
    # one output
    (f"{X}[0] | dense(3)", "the model has one output, so there is no 0 of it", "model | slice(...)"),
    # functions of one's own
    (f"{X} | mine(3)", "my own reason", ""),
    (f"{X} | sized()", "the shape of 'w' is a tuple of whole numbers", "take them from the input"),
    (f"{X} | wide()", "the shape of 'w' is a tuple of whole numbers", "write (8,)"),
    (f"{X} | below()", "the shape of 'w' has a size below 0", ""),
]  # fmt: skip

OWN = """import axon_nb as ax

@ax.layer
def mine(x: ax.Tensor, k: int):
    raise RuntimeError("my own reason")

@ax.layer
def sized(scope, x):
    return x @ scope.param("w", (x.shape[-1], "a"))

@ax.layer
def wide(scope, x):
    return x @ scope.param("w", 8)

@ax.layer
def below(scope, x):
    return x @ scope.param("w", (x.shape[-1], -2))
"""


@pytest.mark.parametrize(("body", "problem", "fix"), MISTAKES, ids=[body.replace(X, "x") for body, *_ in MISTAKES])
def test_a_strange_mistake_is_answered(real, body, problem, fix):
    real.run(OWN)
    said = real.fails(f"%%axon m\n{body}")
    assert "Traceback" not in said
    assert "site-packages" not in said
    assert "\n    " in said.partition("^")[0]  # the line, and a caret under it
    assert "^" in said
    assert problem in said
    assert fix in said.partition("  fix: ")[2]


def test_where_in_ones_own_layer_it_went_wrong_is_told(real):
    real.run(OWN)
    said = real.fails(f"%%axon m\n{X} | mine(3)")
    assert 'mine(3)\n                         ^^^^^^^\n  in: cell line 5: raise RuntimeError("my own reason")' in said


def test_a_helper_that_fails_is_named_with_its_line(real):
    real.run("def helper(width):\n    return 1 / width")
    said = real.fails(f"%%axon m\n{X} | dense(helper(0))")
    assert "    input((None, 784)) | dense(helper(0))\n                               ^^^^^^^^^" in said
    assert "  in: cell line 2: return 1 / width" in said


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "%%axon m --columns nope",
            "there is no column 'nope'\n    %%axon m --columns nope\n                       ^^^^",
        ),
        ("%axon layers conv", "there is no family 'conv'\n  fix: did you mean 'convolution'?"),
        ("%axon layers pool", "there is no family 'pool'\n  fix: did you mean 'pooling'?"),
        ("%axon verbos on", "did you mean 'verbose'?"),
        ("%axon dif", "did you mean 'diff'?"),
    ],
)
def test_lines_with_typing_errors(real, line, words):
    said = real.fails(f"{line}\n{X}" if line.startswith("%%") else line)
    assert words in said


def test_attributes_that_python_looks_for_are_not_there(real):
    real.run(f"%%axon m\n{X} | dense(3)")
    model = real.variables["m"]
    assert not hasattr(model, "shape")
    assert not hasattr(model, "__len__")
    assert not hasattr(model.layers[0], "_repr_html_")
    assert getattr(model, "nothing", 3) == 3
