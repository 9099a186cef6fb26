"""What is offered while a cell is written, and what is said of a layer, in a real shell."""

import pytest
from IPython.core.completer import provisionalcompleter

from axon_nb.layer import registry
from axon_nb.magic import load_ipython_extension, unload_ipython_extension
from axon_nb.magic.complete import offer_in_cell


def offered(text):
    """Complete at the ``^`` in a cell."""
    found = offer_in_cell(text[: text.index("^")], registry, {"--quiet": {}, "--columns": {}})
    return None if found is None else [word for word, _ in found.fitting().words]


HEAD = "%%axon m\ninput((None, 8)) | "


@pytest.mark.parametrize(
    ("text", "first", "among"),
    [
        (HEAD + "den^", "dense", []),
        (HEAD + "dense(8)\n| flat^", "flatten", []),
        (HEAD + "dense(8, act^", "activation=", []),
        (HEAD + "dense(8, activation='re^", "relu", ["relu6"]),
        (HEAD + 'dense(8, activation="^', "relu", ["tanh", "gelu"]),
        (HEAD + 'dense(8, "ta^', "tanh", []),
        (HEAD + "dense(8, activation=^", '"relu"', ["None"]),
        (HEAD + "dense(8, use_bias=^", "True", ["False"]),
        (HEAD + "dense(8, kernel_initializer='he_n^", "he_normal", []),
        (HEAD + "conv(8, 3, padding='s^", "same", []),
        (HEAD + "conv(8, 3, channels=^", '"first"', ['"last"']),
        (HEAD + "conv(^", "units=", ["kernel_size=", "groups=", "name="]),
        (HEAD + "conv(8, kernel_size=^", "3", []),
        (HEAD + "residual(den^", "dense", []),
        (HEAD + "residual(dense(8, use^", "use_bias=", []),
        (HEAD + "residual(dense(8), sof^", "softmax", []),
        (HEAD + "add(dense(4), den^", "dense", []),
        (HEAD + "dense(8)  # (\n| den^", "dense", []),
        (HEAD + "dense((8), act^", "activation=", []),
        ("%%axon m --q^", "--quiet", []),
        ("%%axon m\nwidth = 3\n\ninp^", "input", []),
    ],
)
def test_what_is_offered(text, first, among):
    words = offered(text)
    assert words[0] == first
    assert set(among) <= set(words)


@pytest.mark.parametrize(
    "text", ["x = 1\nden^", "%%timeit\nden^", HEAD + "dense(8)  # den^", "%%axon m^", HEAD + "x.den^"]
)
def test_where_nothing_is_offered(text):
    assert not offered(text)


def test_an_option_is_offered_once():
    assert "units=" not in offered(HEAD + "conv(units=8, ^")


@pytest.mark.parametrize(
    "text", ["'^", '"""^', "f'{^", "dense(^)", "((((^", "dense(8, activation=')^", "\\^", "é(^", "|> ^"]
)
def test_nothing_that_is_half_written_fails(text):
    offered(HEAD + text)


def complete(shell, text):
    with provisionalcompleter():
        return [(one.text, one.start, one.end) for one in shell.Completer.completions(text, len(text))]


def test_a_shell_completes_in_a_cell(real):
    text = HEAD + "dense(8, activation='re"
    assert complete(real.shell, text)[:2] == [("relu", len(text) - 2, len(text)), ("relu6", len(text) - 2, len(text))]
    assert complete(real.shell, HEAD + "den")[0][0] == "dense"
    assert "dense" not in [word for word, *_ in complete(real.shell, "den")]


def test_a_shell_completes_behind_the_line_magic(real):
    real.run("%%axon mnist --quiet\ninput((None, 8)) | dense(2)")
    assert sorted(word for word, *_ in complete(real.shell, "%axon de")) == ["device", "devices"]
    assert "pooling" in [word for word, *_ in complete(real.shell, "%axon layers po")]


def test_a_layer_is_explained_before_any_import(real):
    text = real.shell.object_inspect_mime("dense")["text/plain"]
    assert "Multiply the last axis by a kernel" in text
    assert "units: Number of output features. For example 128." in text
    assert "activation = None: Function applied to the result: a name or a function. One of 'relu'" in text
    with pytest.raises(KeyError):
        real.shell.object_inspect_mime("xyzzy")


def test_the_users_own_variable_is_explained_as_such(real):
    real.run("dense = 7")
    assert "Type:        int" in real.shell.object_inspect_mime("dense")["text/plain"]


class Kernel:
    def __init__(self, code):
        self.code = code

    def get_parent(self, channel):
        return {"content": {"code": self.code}}


def test_in_a_cell_a_layer_wins_over_what_python_has_of_that_name(real):
    real.shell.kernel = Kernel("%%axon m\ninput(")
    assert "Begin a model." in real.shell.object_inspect_mime("input")["text/plain"]
    real.shell.kernel = Kernel("input(")
    assert "Begin a model." not in real.shell.object_inspect_mime("input")["text/plain"]
    real.shell.kernel = object()
    assert "Begin a model." not in real.shell.object_inspect_mime("input")["text/plain"]


def test_unloading_takes_the_help_away(plain_shell):
    before = list(plain_shell.Completer.custom_matchers)
    load_ipython_extension(plain_shell)
    load_ipython_extension(plain_shell)
    assert len(plain_shell.Completer.custom_matchers) == len(before) + 1
    unload_ipython_extension(plain_shell)
    assert plain_shell.Completer.custom_matchers == before
    with pytest.raises(KeyError):
        plain_shell.object_inspect_mime("dense")
