"""Tables: literal text for small models, and what must be said for the others."""

from __future__ import annotations

import pytest
import samples

from axon_nb.display import table_html, table_text
from axon_nb.display.html import text_width
from axon_nb.errors import UnknownNameError

MNIST = """\
Layer          Options                       Output shape  Parameters
─────────────────────────────────────────────────────────────────────
image (input)                                (None, 784)
dense_0        units=128, activation=relu    (None, 128)      100,480
dense_1        units=10, activation=softmax  (None, 10)         1,290
─────────────────────────────────────────────────────────────────────
Parameters       101,770  all trainable
Size           397.5 KiB  407,080 bytes
Multiply-adds    101,632  for one sample"""

FAILING = """\
Layer          Options                  Output shape        Parameters
──────────────────────────────────────────────────────────────────────
image (input)                           (None, 1, 28, 28)
conv_0         units=32, kernel_size=3  (None, 32, 26, 26)         288
dense_0        units=ten                does not fit
  the last axis must be known; gets (None, 32, 26, None)
softmax_0                               not reached
──────────────────────────────────────────────────────────────────────
Parameters      288  all trainable
Size        1.1 KiB  1,152 bytes"""

RESIDUAL = """\
Layer                 Options   Output shape  Parameters
───────────────────────────────────────────────────────────────────────────────
x (input)                       (None, 64)
dense_0               units=64  (None, 64)         4,160
dense_1 … add_5 (x6)                              49,920
  dense_1             units=64  (None, 64)     6 x 4,160
  relu_0                        (None, 64)
  dense_2             units=64  (None, 64)     6 x 4,160
  add_0                         (None, 64)                from dense_2, dense_0
dense_13              units=1   (None, 1)             65
───────────────────────────────────────────────────────────────────────────────
Parameters        54,145  all trainable
Size           211.5 KiB  216,580 bytes
Multiply-adds     53,312  for one sample"""


@pytest.mark.parametrize(
    ("report", "text"), [(samples.mnist(), MNIST), (samples.failing(), FAILING), (samples.blocks(), RESIDUAL)]
)
def test_text_is_exactly_this(report, text):
    assert table_text(report) == text


def test_parts_have_headings_with_their_subtotal():
    text = table_text(samples.gan())
    assert "\ngenerator                                                       234,512\n" in text
    assert "\ndiscriminator                                                   100,609\n" in text
    assert "\n  dense_0       units=256, activation=tanh   (None, 256)         33,024\n" in text


def test_shared_layer_says_with_whom_and_counts_once():
    text = table_text(samples.shared())
    assert "from right; shared with dense_0" in text
    assert text.count("50,240") == 2  # the layer, and the multiply-adds


def test_inputs_are_named_only_where_they_are_not_the_row_before():
    assert "from" not in table_text(samples.cnn())
    text = table_text(samples.several())
    assert "from dense_0, dense_1\n" in text
    assert "from concatenate_0; output box" in text
    assert "from image" in text


def test_state_and_frozen_are_counted_apart():
    rows = samples.Rows()
    rows.input("x", None, 4)
    rows.add("thing", "custom", (None, 4), samples.param("a", 5), samples.param("b", 3, kind="frozen"))
    rows.add("norm", "normalization", (None, 4), samples.param("mean", 1000, kind="state"))
    assert "Parameters       1,008  5 trainable, 3 frozen, 1,000 state\n" in table_text(rows.report("kinds"))


def test_unknown_multiply_adds_are_not_summed():
    rows = samples.Rows()
    rows.input("x", None, 4, macs=None)
    assert "Multiply-adds" not in table_text(rows.report("m"))


def test_columns_are_chosen():
    text = table_text(samples.mnist(), columns=("layer", "dtype", "inputs", "macs"))
    assert text.splitlines()[0] == "Layer          Type     Inputs   Multiply-adds"
    assert "dense_1        float32  dense_0          1,280" in text


@pytest.mark.parametrize("write", [table_text, table_html])
def test_unknown_column_says_which_there_are(write):
    with pytest.raises(UnknownNameError, match=r"there is no column 'shap'\n  fix: did you mean 'shape'"):
        write(samples.mnist(), columns=("layer", "shap"))


@pytest.mark.parametrize("make", [samples.resnet50, samples.several, samples.branches, samples.gan])
def test_text_is_at_most_100_columns_wide(make):
    assert max(map(text_width, table_text(make(), unfold=True).splitlines())) <= 100


def test_several_outputs_of_one_layer_show_all_shapes():
    rows = samples.Rows()
    rows.input("x", None, 4)
    rows.add("split", "shape", ((None, 1), (None, 3)))
    rows.add("scalar", "custom", ())
    text = table_text(rows.report("m"))
    assert "(None, 1), (None, 3)" in text
    assert "scalar_0   ()" in text.replace("      ", "")


def test_html_marks_the_failed_layer_in_words_and_colour():
    html = table_html(samples.failing())
    assert "font-weight:bold;color:#d1495b" in html
    assert ">does not fit</td>" in html
    assert ">not reached</td>" in html
    assert html.count("opacity:.5") == 1


def test_html_has_scopes_and_a_body_for_each_part():
    html = table_html(samples.gan())
    assert html.count('<th scope="col"') == 4
    assert html.count('<th scope="rowgroup"') == 2
    assert html.count("<tbody>") == html.count("</tbody>") == 3


def test_long_names_are_cut_and_given_whole_as_title():
    name = "encoder_" * 20
    html = table_html(samples.hostile(name))
    assert f'title="{name}"' in html
    assert name not in table_text(samples.hostile(name))


def test_empty_model_has_a_table():
    assert table_text(samples.Rows().report(None)).splitlines()[-1] == "Multiply-adds  0  for one sample"
