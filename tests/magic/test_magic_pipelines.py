"""Any layout of a pipeline is the same program, and any text at all is a cell or a CellError."""

import ast

from hypothesis import example, given, settings
from hypothesis import strategies as st

from axon_nb.errors import CellError
from axon_nb.magic.scan import join_pipes, tokens
from axon_nb.magic.text import read_cell

LAYERS = (
    "dense(10)",
    "dense(10, activation='relu')",
    "conv(3, kernel_size=(2, 2))",
    "f('|> # no')",
    'f("""\n| text\n""")',
    "(lambda x: x | 3)",
    "f'{x}|>'",
    "g([1,\n   2])",
    "层('ä')",
    "net",
)
COMMENTS = ("# note", "# | a", "#", "# don't (", "# '''")
SPACES = st.sampled_from(["", " ", "  ", "\t", " \t "])
ENDS = st.sampled_from(["\n", "\r\n"])


@st.composite
def gaps(draw):
    """What may stand between two layers: ends of lines, blank lines, comments."""
    if not draw(st.booleans()):
        return draw(SPACES)
    text = draw(SPACES)
    for _ in range(draw(st.integers(1, 3))):
        text += draw(st.sampled_from(["", *COMMENTS])) + draw(ENDS) + draw(SPACES)
    return text


@st.composite
def pipelines(draw):
    """A pipeline in some layout, and the same on one line."""
    layers = draw(st.lists(st.sampled_from(LAYERS), min_size=1, max_size=6))
    target = draw(st.sampled_from(["", "y = ", "y: M = "]))
    text = plain = target + layers[0]
    for layer in layers[1:]:
        pipe = draw(st.sampled_from(["|", "|>"]))
        before = draw(gaps())
        behind = draw(gaps()) if draw(st.booleans()) else " "
        text += f"{before}{pipe}{behind}{layer}"
        plain += f" | {layer}"
    return text, plain


@given(st.lists(pipelines(), min_size=1, max_size=3), SPACES, ENDS)
def test_every_layout_is_the_same_program(statements, indent, end):
    text = end.join(f"{indent}{text}" for text, _ in statements)
    plain = "\n".join(plain for _, plain in statements)
    assert ast.dump(read_cell("m", text).tree) == ast.dump(ast.parse(plain))


@given(pipelines())
def test_what_is_moved_to_the_header_is_the_same_program(pipeline):
    text, plain = pipeline
    header, text, plain = "m(latent: 3)", f"| {text}", f"latent | {plain}"
    if " = " not in plain:
        assert ast.dump(read_cell(header, text).tree) == ast.dump(ast.parse(plain))


@given(pipelines())
def test_joining_lines_moves_nothing(pipeline):
    text, _ = pipeline
    before, after = text.replace("\r\n", "\n").split("\n"), join_pipes(text).replace("\r\n", "\n").split("\n")
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        kept = new.removesuffix("\\").replace("|>", "| ")
        assert old.replace("|>", "| ").startswith(kept)


PIECES = ["|", "|>", "\n", "\r\n", "\r", "(", ")", "[", "{", "}", "'", '"', '"""', "#", "\\", ":", "=", ",", " ", "\t",
          "\x0c", "f'", "{{", "do", "end", "%{", "=>", "?", "input", "dense", "3", "lambda", "if", "return", "    ",
          "\0", "\ud800", "é", "层", "\u2028", "“", "def f(x):", "class", "await", "-"]  # fmt: skip
TEXTS = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES), max_size=25).map("".join))


@settings(max_examples=500)
@given(TEXTS, TEXTS)
@example("", "f'{")
@example("f(", "a")
@example("f(x: {})", "| x")
@example("a" * 10, "\\")
def test_any_text_is_a_cell_or_a_cell_error(line, body):
    line = line.replace("\n", " ").replace("\r", " ")
    try:
        said = str(read_cell(line, body, valued=("--columns",)).code)
    except CellError as error:
        said = str(error)
    assert said.startswith("<code object") or (said.startswith("cell line ") and "\n    " in said)


@settings(max_examples=500)
@given(TEXTS)
def test_tokens_are_the_text(text):
    assert "".join(token.text for token in tokens(text)) == text
