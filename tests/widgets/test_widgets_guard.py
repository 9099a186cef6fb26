"""What a page sends is read before it is run: a forged message cannot run code."""

import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axon_nb.widgets.builder import Builder
from axon_nb.widgets.document import EditError
from axon_nb.widgets.guard import RefusedError

PLAIN = "%%axon m\ninput((None, 4), name='x') | dense(2)\n"

GOOD = [
    "width = 8\nx = input((None, 4))\nx | dense(width * 2, 'relu')",
    "a = input((None, 4))\nb, c = (a | dense(2), a | dense(2))\n(b, c) | add()",
    "x = input((None, 4))\nx + (x | dense(4)) * x - x",
    "body = dense(4) | relu()\ninput((None, 4)) | body | body",
    "input((None, 4)) | residual(dense(4) | relu(), shortcut=noop())",
    "dense(4)(input((None, 4)))",
    "input((None, 4)) | dense(4, name='<img src=x onerror=alert(1)>') | relu",
    "outputs = input((None, -1 + 5)) | dense(2)",
    "s, h, c = input((None, 5, 4)) | lstm(8, return_state=True)\ns | dense(3)",
]

BAD = [
    '__import__("os").system("touch HERE")',
    'input((None, 4)) | dense(__import__("os").getpid())',
    "input((None, 4)) | (lambda x: open('HERE', 'w'))",
    "import os\ninput((None, 4))",
    "from os import system\ninput((None, 4)) | system",
    "def f(x):\n    return open('HERE', 'w')\ninput((None, 4)) | f",
    "class A:\n    x = open('HERE', 'w')\ninput((None, 4))",
    "for i in range(3): pass\ninput((None, 4))",
    "while True: pass\ninput((None, 4))",
    "x = [print(i) for i in (1, 2)]\ninput((None, 4))",
    "input.__globals__\ninput((None, 4))",
    "dense(2).__class__.__mro__\ninput((None, 4))",
    "input((None, 4)) | dense(units=f'{open(1)}')",
    "eval('1')\ninput((None, 4))",
    "exec = dense\nexec('1')\nprint(1)",
    "e = eval\ne('open(1)')",
    "input((None, 4)) | open",
    "open('HERE', 'w') | dense(2)",
    "(lambda: open('HERE', 'w'))()",
    "x: open('HERE') = 3\ninput((None, 4))",
    "x = (y := 3)\ninput((None, 4))",
    "input((None, 4)) | dense(2 ** 10 ** 10)",
    "'a' * 10000000000 | dense(2)",
    "t = 'aaaa'\nt * 1000000000 | dense(2)",
    "[0] * 10000000000 | dense(2)",
    "input((None, 4)) | dense(*[2])",
    "input((None, 4)) | dense(**{'units': 2})",
    "del dense\ninput((None, 4))",
    "__builtins__ = 3\ninput((None, 4))",
    "input((None, 4)) | secret()",
    "f = secret\nf()\ninput((None, 4))",
    "input((None, 4)) | secret",
    "raise dense(2)\ninput((None, 4))",
    "try: open('HERE')\nfinally: pass",
    "with open('HERE'): pass",
    "@secret\ndef f(x): pass",
    "assert secret()\ninput((None, 4))",
    "input((None, 4)) if secret() else 3",
    "secret() and input((None, 4))",
    "input((None, 4)) | dense(secret[0])",
    "input((None, 4)) | dense(key.x)",
    "`id`\ninput((None, 4))" if False else "await secret()\ninput((None, 4))",
]


@pytest.mark.parametrize("text", GOOD)
def test_a_page_may_write_models(text):
    builder = Builder(PLAIN)
    builder.write_from_page(text)
    assert builder.text.endswith(text)


@pytest.mark.parametrize("text", BAD)
def test_a_page_cannot_run_code(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    called = []
    builder = Builder(PLAIN, names={"secret": lambda *a: called.append(a), "key": "hidden"})
    try:
        builder.write_from_page(text)
    except RefusedError:
        assert builder.text == PLAIN
    else:
        assert builder.error is not None
        assert builder._version.document is None  # Python cannot read it: nothing was run
    assert not list(tmp_path.iterdir())
    assert called == []


def test_what_the_user_wrote_may_stay_word_for_word_and_only_so():
    seen = []

    def mine(x):
        seen.append(x)
        return x

    own = "%%axon m\nsize = 4\nwide = mine(size)\ninput((None, 4), name='x') | (lambda t: t * 2) | dense(wide)\n"
    builder = Builder(own, names={"mine": mine})
    assert builder.error is None
    builder.write_from_page(own.replace("| dense(wide)", "| relu() | dense(wide)"))
    assert "relu_0" in builder.layers
    for forged in (own.replace("t * 2", "t * 3"), own.replace("mine(size)", "mine(dense)"),
                   own.replace("size = 4", "size = 5"), own + "\nmine(7)"):  # fmt: skip
        with pytest.raises(RefusedError):
            builder.write_from_page(forged)
    assert 5 not in seen
    assert 7 not in seen


def test_a_text_from_a_page_that_cannot_be_read_is_shown_with_its_error():
    builder = Builder(PLAIN)
    builder.write_from_page("input((None, 4)) | dense(")
    assert "never closed" in str(builder.error)
    assert builder.model.output_shape == (None, 2)


def test_a_huge_text_is_refused():
    with pytest.raises(EditError, match="at most"):
        Builder(PLAIN).write_from_page("input((None, 4))\n" + "# x\n" * 100_000)


def test_builtins_are_out_of_reach_of_plain_text():
    builder = Builder("%%axon m\ninput((None, len))\n")
    builder.write_from_page(PLAIN)
    with pytest.raises(RefusedError, match="no layer or name 'open'"):
        builder.write_from_page("input((None, 4)) | open")


NAMES = st.sampled_from(
    [
        "dense",
        "relu",
        "input",
        "flatten",
        "x",
        "y",
        "secret",
        "key",
        "open",
        "eval",
        "exec",
        "__import__",
        "__builtins__",
        "os",
        "print",
        "len",
        "self",
        "lambda",
    ]
)
TEXTS = st.sampled_from(
    [
        "'relu'",
        "\"__import__('os')\"",
        "3",
        "-1",
        "1e9",
        "None",
        "True",
        "()",
        "(None, 4)",
        "b'x'",
        "...",
        "f'{secret()}'",
    ]
)
EXPRESSIONS = st.recursive(
    NAMES | TEXTS,
    lambda inner: st.one_of(
        st.builds("{}({})".format, inner, inner),
        st.builds("{}({}, units={})".format, NAMES, inner, inner),
        st.builds("{}({}, *{}, **{})".format, NAMES, inner, inner, inner),
        st.builds(
            "({} {} {})".format, inner, st.sampled_from(["|", "+", "*", "-", "**", "@", "/", "or", "and", "=="]), inner
        ),
        st.builds(
            "{}.{}".format, inner, st.sampled_from(["__class__", "__globals__", "declaration", "function", "system"])
        ),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("(lambda: {})()".format, inner),
        st.builds("[{} for x in {}]".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("(z := {})".format, inner),
        st.builds("({}, {})".format, inner, inner),
        st.builds("{{'a': {}}}".format, inner),
    ),
    max_leaves=6,
)
STATEMENTS = st.one_of(
    EXPRESSIONS,
    st.builds("{} = {}".format, NAMES, EXPRESSIONS),
    st.builds("import {}".format, NAMES),
    st.builds("def {}(x): return {}".format, NAMES, EXPRESSIONS),
    st.builds("for x in {}: {}".format, EXPRESSIONS, EXPRESSIONS),
    st.builds("x: {} = {}".format, EXPRESSIONS, EXPRESSIONS),
    st.builds("del {}".format, NAMES),
    st.builds("| {}".format, EXPRESSIONS),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**20) | st.floats() | EXPRESSIONS | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
ACTIONS = [
    "select",
    "insert",
    "delete",
    "duplicate",
    "move",
    "set",
    "rename",
    "wrap",
    "branch",
    "join",
    "undo",
    "redo",
    "fix",
    "text",
    "hello",
    "__init__",
    "page",
]
FIELDS = ("layer", "after", "by", "options", "name", "last", "other", "words", "text")
LAYERS = st.sampled_from(["dense_0", "x", "input_0"])
OPTIONS = st.dictionaries(
    st.sampled_from(["units", "activation", "use_bias", "name", "kernel_initializer"]), JSON, max_size=2
)
MESSAGES = st.one_of(
    JSON,
    st.builds(
        lambda do, layer, rest: {"layer": layer, **rest, "do": do},
        st.sampled_from(ACTIONS),
        LAYERS | JSON,
        st.dictionaries(st.sampled_from(FIELDS), LAYERS | JSON, max_size=4),
    ),
    st.builds(lambda options: {"do": "set", "layer": "dense_0", "options": options}, OPTIONS),
    st.builds(lambda lines: {"do": "text", "text": "\n".join(["input((None, 4), name='x')", *lines])},
              st.lists(STATEMENTS, max_size=3)),
)  # fmt: skip
RAN: list[str] | None = None
"""What Python was seen to do that no message may bring about, while it is looked at."""


FORBIDDEN = ("os.system", "os.exec", "os.fork", "os.posix_spawn", "os.kill", "subprocess.Popen", "socket.connect")


def _seen(event: str, arguments: tuple) -> None:
    if RAN is None:
        return
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if event in FORBIDDEN or (writes and "__pycache__" not in str(arguments[0])):
        RAN.append(f"{event} {arguments}")


sys.addaudithook(_seen)


@settings(max_examples=400, deadline=None)
@given(st.lists(MESSAGES, min_size=1, max_size=3))
def test_no_message_whatever_it_holds_runs_code(messages):
    global RAN
    called: list[object] = []
    builder = Builder(PLAIN, names={"secret": lambda *a, **k: called.append(a), "key": "hidden"})
    skin = builder.skin
    told = []
    skin.page.send = told.append
    RAN = []
    try:
        for message in messages:
            skin.take(message)
            json.dumps(told, allow_nan=False)
        ran = RAN
    finally:
        RAN = None
    assert called == []
    assert ran == []
    assert builder.model is not None
