import ast

import pytest

from axon_nb.caret import Span, caret, excerpt, span_of, split_lines
from axon_nb.errors import AxonError, OptionError, point


@pytest.mark.parametrize(
    ("line", "column", "end", "shown"),
    [
        ("dense(3)", 0, 5, "dense(3)\n^^^^^"),
        ("    | dense(3)", 6, 11, "| dense(3)\n  ^^^^^"),
        ("\t|\tdense(3)", 3, 8, "| dense(3)\n  ^^^^^"),
        ("a", 5, 9, "a\n ^"),  # behind the end: where something is missing
        ("abc", 1, 1, "abc\n ^"),
        ("abc   ", 0, 99, "abc\n^^^"),
        ("    ", 2, 3, "\n^"),
        ("", 0, 0, "\n^"),
        ("'層' | b", 6, 7, "'層' | b\n \N{IDEOGRAPHIC SPACE}    ^"),
        ("'層層' | b", 0, 4, "'層層' | b\n^^^^^^"),
        ("'e\u0301' | b", 7, 8, "'e\u0301' | b\n      ^"),
        ("a\x1b[31m | b", 8, 9, "a\N{REPLACEMENT CHARACTER}[31m | b\n        ^"),
    ],
)
def test_carets_stand_under_the_columns(line, column, end, shown):
    assert caret(line, column, end) == shown


def test_a_long_line_is_cut_around_what_counts():
    text, carets = caret(f"{'a' * 300} | dens(3) | {'b' * 300}", 303, 307).split("\n")
    assert len(text) == 102
    assert text[0] == text[-1] == "…"
    start = carets.index("^")
    assert text[start : start + carets.count("^")] == "dens"


def test_lines_are_split_where_python_splits_them():
    assert split_lines("a\rb\r\nc\nd\x0ce\u2028f\x85") == ("a", "b", "c", "d\x0ce\u2028f\x85")


def test_columns_of_the_tree_are_bytes_and_spans_are_characters():
    line = "'äöü層' | dense"
    right = ast.parse(line).body[0].value.right
    assert right.col_offset == 14
    assert span_of(right, [line]) == Span(1, 9, 1, 14)


def test_a_span_over_lines_is_shown_by_its_first():
    assert excerpt(["", "a | dense(  ", "3)"], Span(2, 4, 3, 2)) == "    a | dense(\n        ^^^^^^"


def test_a_span_outside_the_text_still_shows():
    assert excerpt([], Span(7, 3, 7, 4)) == "    \n    ^"


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        (None, "cell line 2"),
        ("dense 'dense_1'", "dense 'dense_1' (cell line 2)"),
        ("dense 'dense_1' (cell line 4)", "dense 'dense_1' (cell line 4)"),
        ("dense (models.py line 4)", "dense (models.py line 4)"),
    ],
)
def test_an_error_gets_its_line_once(where, shown):
    error = point(OptionError("too wide", where=where, got="9", fix="use 3"), ["", "x | dense(9)"], Span(2, 4, 2, 9))
    assert str(error) == f"{shown}: too wide\n    x | dense(9)\n        ^^^^^\n  got: 9\n  fix: use 3"


def test_an_error_is_pointed_at_once():
    error = point(AxonError("wrong"), ["a", "b"], Span(1, 0, 1, 1))
    assert str(point(error, ["a", "b"], Span(2, 0, 2, 1))) == "cell line 1: wrong\n    a\n    ^"
