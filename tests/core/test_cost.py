"""Costs are those that one counts by hand, and activations live as long as they are read."""

import pytest
from hypothesis import given
from random_graphs import deep, examples, models, wide

import axon_nb as ax
from axon_nb.errors import ShapeError

X = ax.input((None, 4), name="x")


def bytes_of(*widths):
    return 4 * sum(widths)


def test_a_chain_by_hand():
    found = (X | ax.dense(8) | ax.relu() | ax.dense(2)).cost()
    assert (found.parameters, found.nbytes, found.macs) == (4 * 8 + 8 + 8 * 2 + 2, 58 * 4, 32 + 16)
    assert [layer.activations for layer in found.layers] == [16, 32, 32, 8]
    assert found.inference == bytes_of(8, 8)  # one and the next, and never three
    # Backwards at relu: x, dense_0, relu and its gradient, and what it makes, the gradient of dense_0.
    assert found.training == bytes_of(4, 8, 8, 8, 8)


def test_a_value_that_is_read_later_lives_longer():
    h = X | ax.dense(8)
    found = (h + (h | ax.dense(8) | ax.relu())).cost()
    assert found.inference == bytes_of(8, 8, 8)
    assert found.activations == bytes_of(4, 8, 8, 8, 8)


def test_outputs_live_to_the_end():
    first = X | ax.dense(100)
    assert ax.outputs(first, first | ax.dense(2) | ax.dense(3)).cost().inference == bytes_of(100, 2, 3)


def test_batches_dtypes_and_shared_layers_count_as_they_are():
    twin = ax.dense(4)
    found = (X | twin | twin).cost(x=(10, 4))
    assert (found.samples, found.parameters) == (10, 20)
    assert [layer.activations for layer in found.layers] == [160, 160, 160]
    tokens = ax.input((None, 6), dtype="int64") | ax.embedding(10, 3)
    assert [layer.activations for layer in tokens.cost().layers] == [48, 72]


def test_outputs_of_one_layer_and_inputs_of_parts_are_counted_once():
    sequence, hidden, _ = ax.input((None, 5, 4)) | ax.lstm(3, return_state=True)
    found = ax.outputs(sequence, hidden).cost()
    assert [layer.name for layer in found.layers] == ["input_0", "lstm_0"]
    assert found.layers[1].activations == 4 * (15 + 3 + 3)
    part = (X | ax.block("p", ax.input((None, 4)), ax.relu)).cost()
    assert part.activations == 32


def test_sizes_that_are_not_known_make_no_number():
    found = (ax.input((None, "time", 4)) | ax.dense(2)).cost()
    assert (found.inference, found.training, found.activations) == (None, None, None)
    assert "?" in str(found)
    assert (ax.input((None, "time", 4), name="s") | ax.dense(2)).cost(s=(2, 5, 4)).inference == 4 * (40 + 20)
    assert (ax.input() | ax.dense(2, name="<b>")).cost().macs is None


def test_what_does_not_fit_is_an_error():
    with pytest.raises(ShapeError, match="reshape_0"):
        (X | ax.reshape((3, 3))).cost()


def test_the_page_is_safe():
    html = (X | ax.dense(2, name="<b>")).cost()._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;" in html


@given(model=models())
@examples(30)
def test_totals_are_those_of_the_table(model):
    found, params = model.cost(), model.init()
    assert (found.parameters, found.nbytes) == (params.count, params.nbytes)
    assert max(layer.activations for layer in found.layers) <= found.inference <= found.activations
    assert found.activations <= found.training <= 2 * found.activations


def test_large_models_are_counted():
    assert deep(1000).cost().inference == 32
    assert deep(1000).cost().training == 16 * 1003
    assert wide(300).cost().parameters == 3000
