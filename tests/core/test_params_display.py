"""How params show themselves: histograms, escaped, the same each time, folded, with a text twin."""

import numpy as np
from tinygrad import Tensor

import axon_nb as ax
from axon_nb.params import Leaf, Params


def test_html_and_text_tell_the_same():
    params = (ax.input((None, 3)) | ax.dense(4) | ax.batch_norm()).freeze("dense_0").init()
    bundle = params._repr_mimebundle_()
    assert bundle["text/plain"] == params.show()
    assert bundle["text/html"] == params._repr_html_()
    assert params.show().startswith("32 values, 128 bytes: 8 trainable, 16 frozen, 8 state\nName ")
    for name in params.flat:
        assert name in bundle["text/plain"]
        assert name in bundle["text/html"]
    assert bundle["text/html"].count("<svg") == 6


def test_numbers_and_what_is_not_finite():
    values = np.array([0.0, 0.0, 1.0, np.nan, np.inf], "float32")
    params = Params({("a",): Leaf(Tensor(values)), ("b",): Leaf(Tensor([3.0])), ("c",): Leaf(Tensor([np.nan]))})
    lines = params.show().splitlines()
    assert lines[2].split()[:7] == ["a", "(5,)", "trainable", "0.333", "0.471", "0", "1"]
    assert lines[2].endswith("2 not finite")
    assert lines[4].endswith("1 not finite")
    assert params._repr_html_().count("<svg") == 1


def test_names_are_escaped_and_many_are_folded():
    params = Params({(f"<b>{i}",): Leaf(Tensor([1.0, 2.0])) for i in range(60)})
    assert "<b>" not in params._repr_html_()
    assert "&lt;b&gt;59" in params._repr_html_()
    assert "… 20 more …" in params.show()
    assert len(params.show().splitlines()) == 43


def test_none_at_all():
    assert Params({}).show().splitlines()[0] == "0 values, 0 bytes"
    assert "0 values" in Params({})._repr_html_()
