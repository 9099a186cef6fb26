import argparse
import ast
import io
import sys
import tokenize
from pathlib import Path

import pytest

from axon_nb.magic import scan
from axon_nb.magic.scan import join_pipes, tokens, unbalanced, words


@pytest.mark.parametrize(
    ("text", "strings"),
    [
        ("a = 'b'", ["'b'"]),
        ("r'\\' + b'c'", ["r'\\' + b'", "'"]),  # as Python: in a raw string too, a backslash keeps the quote
        ('"a\\"b" c', ['"a\\"b"']),
        ("'''a'b\n''c''' d", ["'''a'b\n''c'''"]),
        ("'a\n'b'", ["'a", "'b'"]),  # open to the end of its line, no further
        ("'a\\\nb' c", ["'a\\\nb'"]),
        ("'a\\\r\nb' c", ["'a\\\r\nb'"]),
        ('"""never closed', ['"""never closed']),
        ("buf'x'", ["'x'"]),
        ('rb"x" Rb"y"', ['rb"x"', 'Rb"y"']),
        ("'' ''''''", ["''", "''''''"]),
        ("f'{a}{{' b", ["f'{a}{{'"]),
        ("# 'no'\n'yes'", ["'yes'"]),
    ],
)
def test_strings_end_where_python_ends_them(text, strings):
    assert [token.text for token in tokens(text) if token.kind == "string"] == strings
    assert "".join(token.text for token in tokens(text)) == text


@pytest.mark.parametrize(
    ("text", "strings"),
    [
        ('f"{d["a|>b"]}" c', ['f"{d["a|>b"]}"']),
        ('f"{{" "b"', ['f"{{"', '"b"']),
        ('f"{a:{b}}" c', ['f"{a:{b}}"']),
        ('f"a\n"', ['f"a', '"']),
        ('f"\\"" c', ['f"\\""']),
        ('f"""{"a"}\n""" c', ['f"""{"a"}\n"""']),
        ('f"{', ['f"{']),
    ],
)
def test_from_python_3_12_on_an_f_string_may_hold_its_own_quote(text, strings, monkeypatch):
    monkeypatch.setattr(scan, "NESTED_QUOTES", True)
    assert [token.text for token in tokens(text) if token.kind == "string"] == strings


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("a\n| b", "a\\\n| b"),
        ("a\n|> b", "a\\\n|  b"),
        ("a |> b |>c", "a |  b | c"),
        ("a |\nb", "a |\\\nb"),
        ("a |> # why\n\n b", "a |  \\\n\\\n b"),
        ("a # one\n# two\n\t\n  | b # three\n", "a \\\n\\\n\t\\\n  | b # three\n"),
        ("a\r\n\r\n| b\r\n", "a\\\r\n\\\r\n| b\r\n"),
        ("a\r| b", "a\\\r| b"),
        ("f(\n  a # c\n  | b\n)", "f(\n  a # c\n  | b\n)"),  # in brackets, Python does this itself
        ("f(a\n|> b)", "f(a\n|  b)"),
        ("'|>'\n'''\n| a\n'''", "'|>'\n'''\n| a\n'''"),
        ("# a |> b\n| c", "# a |> b\n| c"),
        ("a\n\nb", "a\n\nb"),
        ("a \\\n\n| b", "a \\\n\\\n| b"),
        ("a\n\x0c\n| b", "a\\\n\x0c\\\n| b"),
        ("if a:\n    b\n    | c\nd", "if a:\n    b\\\n    | c\nd"),
        ("", ""),
    ],
)
def test_a_pipe_joins_lines_and_moves_nothing(text, joined):
    assert join_pipes(text) == joined


@pytest.mark.parametrize(
    ("text", "token", "opener"),
    [
        ("(", 0, 0),
        ("f(a, [b", 5, 5),
        (")", 0, None),
        ("f(a])", 3, 1),
        ("(')')]", 5, None),
        ("(# )\n", 0, 0),
        ("{(})", 2, 1),
    ],
)
def test_a_bracket_without_a_partner_is_found(text, token, opener):
    found = unbalanced(text)
    assert found is not None
    assert (found.token.start, found.opener and found.opener.start) == (token, opener)


def test_balanced_brackets_are_fine():
    assert unbalanced("f({a: [b, ')']}) # (") is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", []),
        ("  mnist ", ["mnist"]),
        ("gan(a: (1, 2), b) --quiet", ["gan(a: (1, 2), b)", "--quiet"]),
        ("gan (a)", ["gan", "(a)"]),
        ("--check 'a b' c", ["--check", "'a b'", "c"]),
        ("a # b", ["a"]),
    ],
)
def test_words_keep_brackets_and_strings_whole(line, expected):
    found = words(line)
    assert [word.text for word in found] == expected
    assert all(line[word.start :].startswith(word.text) for word in found)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="tokenize cuts f-strings into pieces from Python 3.12 on")
@pytest.mark.parametrize("module", [argparse, ast, io, tokenize])
def test_strings_and_comments_are_those_of_python_itself(module):
    text = Path(module.__file__).read_text(encoding="utf-8")
    expected = [
        found.string
        for found in tokenize.generate_tokens(io.StringIO(text).readline)
        if found.type in (tokenize.STRING, tokenize.COMMENT)
    ]
    assert [token.text for token in tokens(text) if token.kind in ("string", "comment")] == expected
    assert unbalanced(text) is None
    assert ast.dump(ast.parse(join_pipes(text))) == ast.dump(ast.parse(text))
