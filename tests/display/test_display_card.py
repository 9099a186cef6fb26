"""Cards: safe, static, the same bytes each time, complete as text."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
import samples

from axon_nb.display import card_html, card_text, dot_source, error_html, error_text, table_html
from axon_nb.rows import Report

ALL = [
    samples.mnist, samples.gan, samples.cnn, samples.resnet50, samples.shared, samples.several, samples.failing,
    samples.chain, samples.branches, samples.blocks,
]  # fmt: skip

HOSTILE = [
    "<script>alert(1)</script>",
    '"]; x',
    "back\\slash\\",
    "&lt;",
    "two\nlines\tand\rmore",
    "x" * 5000,
    "层 Größe naïve 🙂",
    "שלום עולם",
    "a\u202eb\u2066c",
    "\x00\x1b[31m\ud800\ufffe",
    "' onerror='alert(1)",
    '"><img src=x onerror=alert(1)>',
    "{{constructor}} ${x} %s",
    "a" + "\u0301" * 200,
    "",
]

TAGS = {
    "div", "strong", "bdi", "span", "pre", "table", "thead", "tbody", "tfoot", "tr", "th", "td", "small", "br", "p",
    "img",
}  # fmt: skip
ATTRIBUTES = {"style", "align", "scope", "title", "alt", "width", "src"}


class Reader(HTMLParser):
    """Checks tags and attributes against what sanitizers let through, and that tags are closed in order."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.text = ""
        self.images = []

    def handle_starttag(self, tag, attrs):
        assert tag in TAGS
        assert {name for name, _ in attrs} <= ATTRIBUTES
        if tag == "img":
            self.images.append(dict(attrs))
        elif tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def picture(html):
    (image,) = read(html).images
    return base64.b64decode(image["src"].removeprefix("data:image/svg+xml;base64,")).decode()


@pytest.mark.parametrize("make", ALL)
def test_card_is_plain_html_and_the_same_twice(make):
    html = card_html(make())
    assert card_html(make()) == html
    reader = read(html)
    assert len(reader.images) == 1
    ElementTree.fromstring(picture(html))
    assert "var(" not in html
    assert "url(" not in html


def test_card_is_the_same_in_another_process():
    code = "import samples; from axon_nb.display import *; print(hash('x') and card_html(samples.several()), end='')"
    run = [sys.executable, "-c", code]
    seen = {
        subprocess.run(
            run, capture_output=True, text=True, check=True, encoding="utf-8",
            env={"PYTHONPATH": samples.__file__.rsplit("samples", 1)[0], "PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert seen == {card_html(samples.several())}


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_that_people_write_can_break_out(name):
    report = samples.hostile(name)
    for html in (card_html(report), error_html(report), table_html(report)):
        read(html)
        html.encode("utf-8")
    ElementTree.fromstring(picture(card_html(report)))
    for text in (card_text(report), error_text(report), dot_source(report)):
        text.encode("utf-8")
        assert not set(text) & set("\x00\x1b\u202e\u2066\r\t")
    assert len(card_html(report).splitlines()) == len(card_html(samples.hostile("name")).splitlines())


def test_text_that_looks_like_markup_is_shown_as_it_is():
    assert "<script>alert(1)</script>" in read(card_html(samples.hostile("<script>alert(1)</script>"))).text
    assert "&lt;" in read(card_html(samples.hostile("&lt;"))).text


def test_title_names_the_model_and_its_shapes():
    assert card_text(samples.mnist()).startswith("mnist: (None, 784) → (None, 10)\n\n")
    assert "image (None, 784), age (None, 1) → logits (None, 10), box (None, 4)" in card_text(samples.several())
    assert card_text(Report(None, samples.mnist().rows)).startswith("model: ")


def test_alternative_text_says_the_chain():
    alt = read(card_html(samples.mnist())).images[0]["alt"]
    assert alt == "Diagram of mnist: image (None, 784) → dense_0 → dense_1"
    alt = read(card_html(samples.blocks(6))).images[0]["alt"]
    assert alt.endswith("dense_0 → 6 times (dense_1 → relu_0 → dense_2 → add_0) → dense_13")
    alt = read(card_html(samples.failing())).images[0]["alt"]
    assert alt.endswith("→ dense_0 does not fit → softmax_0 not reached")


def test_error_shows_the_card_and_the_message():
    text = error_text(samples.failing())
    assert text.startswith("broken: dense_0 (cell line 3) does not fit\n\nLayer ")
    assert "\n\ndense 'dense_0' (cell line 3): the last axis must be known\n" in text
    assert text.endswith("\n  got: (None, 32, 26, None)\n  fix: give input(...) a width")
    shown = read(error_html(samples.failing())).text
    assert "dense_0 (cell line 3) does not fit" in shown
    assert "  fix: give input(...) a width" in shown


def test_error_without_rows_is_its_message():
    report = Report("m", (), ValueError("nothing & fits"))
    assert error_text(report) == "m: this model cannot be built\n\nnothing & fits"
    assert "nothing &amp; fits" in error_html(report)
    assert "<table" not in error_html(report)


class Rude:
    """An object of which nothing can be shown."""

    def __repr__(self):
        raise ValueError

    __str__ = __repr__


class RudeError(Exception):
    def __str__(self):
        raise ValueError


def test_objects_that_cannot_be_shown_break_nothing():
    rows = samples.Rows()
    rows.input("x", None, 3)
    rows.add("dense", "linear", (None, 2), options={"units": Rude()})
    report = rows.report("m", RudeError())
    assert "units=…" in card_text(report)
    assert "RudeError whose text fails with ValueError" in error_text(report)
    read(error_html(report))


def test_options_are_written_without_addresses():
    rows = samples.Rows()
    rows.input("x", None, 3)
    rows.add("map", "custom", (None, 3), options={"fn": lambda x: x, "other": object(), "set": {"b", "a"}})
    text = card_text(rows.report("m"))
    assert "fn=lambda, other=<object object>, set={a, b}" in text
    assert "0x" not in text


@pytest.mark.parametrize(("make", "limit_s"), [(samples.mnist, 2), (samples.resnet50, 5), (samples.chain, 5)])
def test_card_takes_no_time_out_of_proportion(make, limit_s):
    report = make()
    card_html(samples.cnn())  # loads the graphviz package
    start = time.process_time()
    card_html(report)
    assert time.process_time() - start < limit_s


def test_long_tables_scroll_and_keep_their_totals_in_view():
    html = card_html(samples.resnet50())
    assert "max-height:560px" in html
    assert "25,610,152 parameters: 25,557,032 trainable, 53,120 state" in read(html).text
    assert not re.search(r"overflow:auto;max-height:560px", card_html(samples.mnist()))


def test_card_of_a_thousand_different_layers_is_cut_and_says_so():
    html = card_html(samples.chain(1000, alike=False))
    assert len(html) < 500_000
    text = read(html).text
    assert "702 more lines" in text
    assert "dense_499" in text
    assert "dense_250" in card_text(samples.chain(1000, alike=False))
