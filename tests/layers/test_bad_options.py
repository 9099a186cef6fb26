"""Bad options and bad ranks over all families: our error, with the layer's name, what it got, and a way out."""

import pytest

import axon_nb as ax
from axon_nb.errors import AxonError
from axon_nb.layer import LayerType, registry

FLAT, SEQ, MAPS = (None, 8), (None, 5, 8), (None, 3, 16, 16)
OPTIONS = [
    ("dense", lambda: ax.dense(0), "units must be a whole number of at least 1, got 0"),
    ("dense", lambda: ax.dense("many"), "units must be a whole number of at least 1, got 'many'"),
    ("dense", lambda: ax.dense(), "units must be given"),
    ("dense", lambda: ax.dense(8, "rely"), "activation: there is no activation 'rely'"),
    ("dense", lambda: ax.dense(8, use_bias=1), "use_bias must be True or False, got 1"),
    ("dense", lambda: ax.dense(8, kernel_initializer="he"), "kernel_initializer: there is no initializer 'he'"),
    ("bilinear", lambda: ax.bilinear(-1), "units must be a whole number of at least 1, got -1"),
    ("embedding", lambda: ax.embedding(0, 4), "must be a whole number of at least 1, got 0"),
    ("embedding", lambda: ax.embedding(10), "must be given"),
    ("scale", lambda: ax.scale(scale_initializer="zero"), "scale_initializer: there is no initializer 'zero'"),
    ("conv", lambda: ax.conv(8, 0), "kernel_size must be a whole number of at least 1"),
    ("conv", lambda: ax.conv(8, 3, strides=0), "strides must be a whole number of at least 1"),
    ("conv", lambda: ax.conv(8, 3, padding="full"), "padding must be 'valid', 'same'"),
    ("conv", lambda: ax.conv(8, 3, channels="middle"), "channels must be one of 'first', 'last'"),
    ("conv", lambda: ax.conv(8, 3, groups=0), "groups must be a whole number of at least 1, got 0"),
    ("conv", lambda: ax.conv(8, 3, dilation=1.5), "dilation must be a whole number of at least 1"),
    ("conv_transpose", lambda: ax.conv_transpose(8, 3, output_padding=-1), "output_padding must be a whole number"),
    ("depthwise_conv", lambda: ax.depthwise_conv(0, 3), "must be a whole number of at least 1, got 0"),
    ("separable_conv", lambda: ax.separable_conv(8, "3"), "kernel_size must be a whole number"),
    ("max_pool", lambda: ax.max_pool(0), "kernel_size must be a whole number of at least 1"),
    ("avg_pool", lambda: ax.avg_pool(2, count_padding="no"), "count_padding must be True or False, got 'no'"),
    ("lp_pool", lambda: ax.lp_pool(2, norm=0), "norm must be a number at least 1, got 0"),
    ("adaptive_avg_pool", lambda: ax.adaptive_avg_pool(0), "output_size must be a whole number of at least 1"),
    ("global_avg_pool", lambda: ax.global_avg_pool(keep_axes=2), "keep_axes must be True or False, got 2"),
    ("batch_norm", lambda: ax.batch_norm(momentum=1.5), "momentum must be a number at least 0 and at most 1, got 1.5"),
    ("batch_norm", lambda: ax.batch_norm(epsilon=0), "epsilon must be a number above 0, got 0"),
    ("layer_norm", lambda: ax.layer_norm(axis="last"), "axis must be an axis number or a tuple of them, got 'last'"),
    ("group_norm", lambda: ax.group_norm(0), "groups must be a whole number of at least 1, got 0"),
    ("rms_norm", lambda: ax.rms_norm(upcast="some"), "upcast must be one of 'normalization', 'all', got 'some'"),
    ("dropout", lambda: ax.dropout(1.0), "rate must be a number at least 0 and below 1, got 1.0"),
    ("dropout", lambda: ax.dropout(-0.1), "rate must be a number at least 0 and below 1, got -0.1"),
    ("gaussian_noise", lambda: ax.gaussian_noise(-1), "must be a number at least 0, got -1"),
    ("alpha_dropout", lambda: ax.alpha_dropout("half"), "rate must be a number at least 0 and below 1, got 'half'"),
    ("lstm", lambda: ax.lstm(8, return_state="yes"), "return_state must be True or False, got 'yes'"),
    ("lstm", lambda: ax.lstm(8, unroll=None), "unroll must be True or False, got None"),
    ("gru", lambda: ax.gru(8.5), "units must be a whole number of at least 1, got 8.5"),
    ("rnn", lambda: ax.rnn(8, "than"), "activation: there is no activation 'than'"),
    ("conv_lstm", lambda: ax.conv_lstm(4, -1), "kernel_size must be a whole number of at least 1"),
    ("multi_head_attention", lambda: ax.multi_head_attention(heads=0), "heads must be a whole number of at least 1"),
    ("multi_head_attention", lambda: ax.multi_head_attention(), "heads must be given"),
    ("rotary_positions", lambda: ax.rotary_positions(pairs="both"), "pairs must be one of 'halves', 'neighbours'"),
    ("sinusoidal_positions", lambda: ax.sinusoidal_positions(base=1), "base must be a number above 1, got 1"),
    ("learned_positions", lambda: ax.learned_positions(0), "max_length must be a whole number of at least 1, got 0"),
    ("reshape", lambda: ax.reshape((-1, -1)), "must be a tuple with at most one -1"),
    ("pad", lambda: ax.pad("some"), "padding must be a whole number, or"),
    ("resize", lambda: ax.resize(0), "size must be a whole number of at least 1"),
    ("resize", lambda: ax.resize(8, "best"), "method must be one of 'nearest', 'bilinear', 'bicubic'"),
    ("pixel_shuffle", lambda: ax.pixel_shuffle(0), "upscale_factor must be a whole number of at least 1, got 0"),
    ("softmax", lambda: ax.softmax(axis="channels"), "axis must be an axis number"),
    ("leaky_relu", lambda: ax.leaky_relu("steep"), "alpha must be a number, got 'steep'"),
    ("celu", lambda: ax.celu(0), "alpha must be a number above 0, got 0"),
    ("concatenate", lambda: ax.concatenate(axis=1.5), "axis must be an axis number, got 1.5"),
    ("mask", lambda: ax.mask("<eos>"), "eos_token must be a whole number, got '<eos>'"),
    ("constant", lambda: ax.constant("one"), "value must be a finite number, or numbers in tuples"),
]  # fmt: skip

RANKS = [
    ("dense", (None,), lambda: ax.dense(3)),
    ("embedding", FLAT, lambda: ax.embedding(10, 4)),
    ("conv", FLAT, lambda: ax.conv(8, 3)),
    ("conv_transpose", FLAT, lambda: ax.conv_transpose(8, 3)),
    ("depthwise_conv", FLAT, lambda: ax.depthwise_conv(2, 3)),
    ("separable_conv", FLAT, lambda: ax.separable_conv(8, 3)),
    ("max_pool", FLAT, lambda: ax.max_pool(2)),
    ("avg_pool", FLAT, lambda: ax.avg_pool(2)),
    ("lp_pool", FLAT, lambda: ax.lp_pool(2)),
    ("global_avg_pool", FLAT, lambda: ax.global_avg_pool()),
    ("blur_pool", FLAT, lambda: ax.blur_pool()),
    ("instance_norm", FLAT, lambda: ax.instance_norm()),
    ("group_norm", MAPS, lambda: ax.group_norm(2)),
    ("layer_norm", FLAT, lambda: ax.layer_norm(axis=3)),
    ("lstm", FLAT, lambda: ax.lstm(4)),
    ("gru", MAPS, lambda: ax.gru(4)),
    ("rnn", FLAT, lambda: ax.rnn(4)),
    ("conv_lstm", SEQ, lambda: ax.conv_lstm(4, 3)),
    ("multi_head_attention", FLAT, lambda: ax.multi_head_attention(heads=2)),
    ("rotary_positions", MAPS, lambda: ax.rotary_positions()),
    ("learned_positions", FLAT, lambda: ax.learned_positions(9)),
    ("learned_positions", SEQ, lambda: ax.learned_positions(4)),
    ("reshape", FLAT, lambda: ax.reshape((3, 5))),
    ("pixel_shuffle", MAPS, lambda: ax.pixel_shuffle(2)),
    ("resize", FLAT, lambda: ax.resize(4)),
    ("softmax", FLAT, lambda: ax.softmax(axis=4)),
    ("split", FLAT, lambda: ax.split(3)),
]


@pytest.mark.parametrize(("name", "make", "words"), OPTIONS, ids=[f"{n}-{w[:30]}" for n, _, w in OPTIONS])
def test_a_bad_option(name, make, words):
    with pytest.raises(AxonError) as caught:
        make()
    text = str(caught.value)
    assert text.startswith(f"{name}: ")
    assert words in text
    assert "\n  fix: " in text


@pytest.mark.parametrize(
    ("name", "shape", "make"), RANKS, ids=[f"{n}-{len(s)}-{i}" for i, (n, s, _) in enumerate(RANKS)]
)
def test_a_bad_rank_or_size(name, shape, make):
    model = ax.input(shape) | make()
    model = model[0] if isinstance(model.outputs, tuple) else model
    with pytest.raises(AxonError) as caught:
        _ = model.output_shape
    error = caught.value
    assert error.where.startswith(f"{name} '{name}_0' (test_bad_options.py line ")
    assert error.got, "it says what it got"
    assert not str(error.problem).startswith("its body raised")
    assert error.__cause__ is None, f"said by tinygrad, not by us: {error}"


def test_the_tables_are_long_and_over_all_families():
    assert len(OPTIONS) + len(RANKS) >= 60
    families = {thing.declaration.family for thing in registry.values() if isinstance(thing, LayerType)}
    families -= {"onnx"}  # operators read from a file, made by no user
    assert families <= {registry[name].declaration.family for name, *_ in [*OPTIONS, *RANKS]}
