"""Each layer's defaults beside Axon's: where they depart, the docstring says so in a sentence that names Axon."""

import inspect
import re

import pytest

from axon_nb import losses, optimizers
from axon_nb.layer import LayerType, registry
from axon_nb.options import Option

LAYERS = {name: made for name, made in registry.items() if isinstance(made, LayerType)}
REQUIRED = "no default"

DENSE = {"activation": None, "use_bias": True, "kernel_initializer": "glorot_uniform", "bias_initializer": "zeros"}
CONV = {
    **DENSE, "kernel_size": 1, "strides": 1, "padding": "valid", "input_dilation": 1, "dilation": 1,
    "channels": "last",
}  # fmt: skip
WINDOW = {"kernel_size": 1, "strides": None, "padding": "valid", "dilation": 1, "channels": "last"}
SCALED = {"beta_initializer": "zeros", "epsilon": 1e-5, "channels": "last"}
STEPS = {
    "activation": "tanh", "gate": "sigmoid", "use_bias": True, "kernel_initializer": "glorot_uniform",
    "bias_initializer": "zeros", "unroll": False, "return_state": True, "return_sequence": True,
}  # fmt: skip
NOTHING = ("exp", "gelu", "hard_tanh", "linear", "log_sigmoid", "mish", "relu", "relu6", "sigmoid", "silu", "softplus",
           "softsign", "tanh", "add", "subtract", "multiply", "flatten", "transpose", "or_else")  # fmt: skip

AXON = {
    "dense": {"units": REQUIRED, **DENSE},
    "bilinear": {"units": REQUIRED, **DENSE},
    "embedding": {"vocab_size": REQUIRED, "units": REQUIRED, "kernel_initializer": "uniform"},
    "bias": {"bias_initializer": "zeros"},
    "conv": {"units": REQUIRED, **CONV, "groups": 1},
    "conv_transpose": {"units": REQUIRED, **{k: v for k, v in CONV.items() if k != "input_dilation"}},
    "depthwise_conv": {"multiplier": REQUIRED, **CONV},
    "spatial_separable_conv": {"multiplier": REQUIRED, **CONV},
    "celu": {"alpha": 1.0},
    "elu": {"alpha": 1.0},
    "hard_sigmoid": {"alpha": 0.2, "beta": 0.2},
    "hard_silu": {"alpha": 0.2, "beta": 0.2},
    "leaky_relu": {"alpha": 0.01},
    "selu": {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805},
    "softmax": {"axis": -1},
    "log_softmax": {"axis": -1},
    "log_sumexp": {"axis": -1},
    "activation": {"function": REQUIRED},
    "dropout": {"rate": 0.5},
    "spatial_dropout": {"rate": 0.5, "channels": "last"},
    "alpha_dropout": {"rate": 0.5},
    "feature_alpha_dropout": {"rate": 0.5, "channels": "last"},
    "max_pool": WINDOW,
    "avg_pool": {**WINDOW, "count_padding": True},
    "lp_pool": {**WINDOW, "norm": 2},
    "adaptive_avg_pool": {"output_size": None, "channels": "last"},
    "adaptive_max_pool": {"output_size": None, "channels": "last"},
    "adaptive_lp_pool": {"output_size": None, "channels": "last", "norm": 2},
    "global_avg_pool": {"keep_axes": False, "channels": "last"},
    "global_max_pool": {"keep_axes": False, "channels": "last"},
    "global_lp_pool": {"keep_axes": False, "channels": "last", "norm": 2},
    "blur_pool": {"channels": "last", "strides": 1},
    "batch_norm": {**SCALED, "gamma_initializer": "glorot_uniform", "momentum": 0.1},
    "instance_norm": {**SCALED, "gamma_initializer": "glorot_uniform"},
    "layer_norm": {
        "beta_initializer": "zeros", "epsilon": 1e-5, "axis": -1, "gamma_initializer": "glorot_uniform",
    },
    "group_norm": {**SCALED, "groups": REQUIRED, "gamma_initializer": "ones"},
    "rms_norm": {
        "gamma_initializer": "ones", "axis": -1, "epsilon": 1e-6, "shift": 0.0, "upcast": "normalization",
    },
    "lstm": {"units": REQUIRED, **STEPS},
    "gru": {"units": REQUIRED, **STEPS},
    "conv_lstm": {
        "units": REQUIRED, **STEPS, "padding": "same", "kernel_size": 1, "strides": 1, "channels": "first",
        "forget_bias": 1.0,
    },
    "mask": {"eos_token": REQUIRED},
    "reshape": {"shape": REQUIRED},
    "pad": {"padding": REQUIRED, "value": 0.0, "channels": "last"},
    "resize": {"size": REQUIRED, "method": "nearest", "antialias": True, "channels": "last"},
    "concatenate": {"axis": -1},
    "stack": {"axis": -1},
    "split": {"sections": REQUIRED, "axis": -1},
    "constant": {"value": REQUIRED},
    **{name: {} for name in NOTHING},
}  # fmt: skip
"""Axon 0.8.1's default of each option that both have, by our name of it; the activations' are given by position."""

WORDS = {
    "channels": r"channels\b.* last|\(in Axon last\)", "gamma_initializer": "Axon draws it",
    "return_state": r"Axon returns \(sequence|``return_state``.*unlike Axon", "momentum": r"Axon keeps a share of 0\.1",
    "alpha": r"Axon's are 0\.2 and 0\.2", "beta": r"Axon's are 0\.2 and 0\.2",
}  # fmt: skip
"""What stands for an option in the docs where its own name does not."""


def default_of(option: Option):
    return REQUIRED if option.required else option.default


DEPARTURES = [
    (name, option.name)
    for name, defaults in AXON.items()
    for option in LAYERS[name].declaration.options
    if option.name in defaults and default_of(option) != defaults[option.name]
]


def sentences(text):
    return [" ".join(one.split()) for one in re.split(r"(?<=[.;:)])\s+(?=[A-Z\"`(])|\n\s*\n", text)]


@pytest.mark.parametrize(("name", "option"), DEPARTURES)
def test_a_default_that_departs_from_axons_is_told(name, option):
    told = [one for one in sentences(LAYERS[name].__doc__) if re.search(r"\bAxon", one)]
    found = re.compile(WORDS.get(option, rf"``{option}``"))
    assert any(found.search(one) for one in told), f"{name}: {option}\n" + "\n".join(told)


def test_the_table_names_options_that_are_there():
    for name, defaults in AXON.items():
        assert set(defaults) <= {option.name for option in LAYERS[name].declaration.options}, name


def test_a_layer_that_axon_lacks_says_so_or_names_its_source():
    for name, made in LAYERS.items():
        if name not in AXON and made.declaration.family not in ("onnx", "activation"):
            text = inspect.getdoc(made.function) or ""
            assert "Axon" in text or "Source:" in text, name


def test_the_departures_are_those_that_are_meant():
    assert len(DEPARTURES) > 30
    assert {option for _, option in DEPARTURES} == {
        "channels", "kernel_size", "alpha", "beta", "output_size", "gamma_initializer", "momentum", "return_state",
    }  # fmt: skip


AXONS_LOSSES = (
    "binary_cross_entropy", "categorical_cross_entropy", "categorical_hinge", "hinge", "kl_divergence", "log_cosh",
    "margin_ranking", "soft_margin", "mean_absolute_error", "mean_squared_error", "cosine_similarity", "poisson",
    "huber", "connectionist_temporal_classification",
)  # fmt: skip


@pytest.mark.parametrize("name", AXONS_LOSSES)
def test_a_loss_tells_that_its_reduction_is_not_axons(name):
    loss = getattr(losses, name)
    assert inspect.signature(loss).parameters["reduction"].default == "mean"  # Axon's is "none"
    assert 'From Axon it departs in that the reduction is "mean" by default' in " ".join(loss.__doc__.split())


POLARIS = {
    "sgd": {"learning_rate": 1e-2, "momentum": 0.0, "nesterov": False},
    "adam": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    "adamw": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0},
    "rmsprop": {"learning_rate": 1e-2, "decay": 0.9, "epsilon": 1e-8, "momentum": 0.0, "centered": False},
    "adagrad": {"learning_rate": 1e-3, "epsilon": 1e-7, "initial": 0.1},
    "radam": {"learning_rate": 1e-3},
    "lamb": {"learning_rate": 1e-2},
    "yogi": {"learning_rate": 1e-2, "epsilon": 1e-3, "initial": 1e-6},
}


@pytest.mark.parametrize("name", POLARIS)
def test_an_optimizer_tells_where_its_defaults_are_not_axons(name):
    made = getattr(optimizers, name)
    other = {key for key, value in POLARIS[name].items() if made().options[key] != value}
    assert other == ({"weight_decay"} if name == "adamw" else set())
    assert not other or "From Axon it departs in that weights decay by default" in made.__doc__
