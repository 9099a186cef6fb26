"""What people call things elsewhere leads to what they are called here."""

import inspect

import pytest

import axon_nb as ax
from axon_nb.engine.devices import KNOWN
from axon_nb.errors import AxonError, unknown
from axon_nb.functional.losses import losses
from axon_nb.functional.metrics import metrics
from axon_nb.graph import DTYPES
from axon_nb.layer import registry
from axon_nb.options import activations, initializers
from axon_nb.synonyms import _MEANT, nearest
from axon_nb.training import fit
from axon_nb.training.optimizers import optimizers

OPTIONS = {o.name for made in registry.values() if hasattr(made, "declaration") for o in made.declaration.options}
FIT = set(inspect.signature(fit).parameters)
RULES = {name for rule in optimizers.values() for name in rule().options}
WORDS = {"first", "last", "valid", "same", "name", "layers", "devices", "shape", "dtype"}
EVERYTHING = {
    *registry, *OPTIONS, *FIT, *RULES, *WORDS, *losses, *metrics, *optimizers, *KNOWN, *DTYPES, *activations,
    *initializers,
}  # fmt: skip


def test_every_synonym_leads_to_something_that_exists():
    assert {name for names in _MEANT.values() for name in names} - EVERYTHING == set()


@pytest.mark.parametrize(
    ("written", "known", "meant"),
    [
        ("Linear", registry, "dense"),
        ("Dense", registry, "dense"),
        ("fc", registry, "dense"),
        ("Conv2d", registry, "conv"),
        ("Conv2D", registry, "conv"),
        ("BatchNorm2d", registry, "batch_norm"),
        ("BatchNormalization", registry, "batch_norm"),
        ("MaxPool2d", registry, "max_pool"),
        ("MaxPooling2D", registry, "max_pool"),
        ("GlobalAveragePooling2D", registry, "global_avg_pool"),
        ("ReLU", registry, "relu"),
        ("LeakyReLU", registry, "leaky_relu"),
        ("nn.Sequential", registry, "block"),
        ("LSTM", registry, "lstm"),
        ("MultiheadAttention", registry, "multi_head_attention"),
        ("cat", registry, "concatenate"),
        ("permute", registry, "transpose"),
        ("flaten", registry, "flatten"),
        ("dens", registry, "dense"),
        ("lr", RULES, "learning_rate"),
        ("filters", OPTIONS, "units"),
        ("out_channels", OPTIONS, "units"),
        ("out_features", OPTIONS, "units"),
        ("hidden_size", OPTIONS, "units"),
        ("p", OPTIONS, "rate"),
        ("kernel", OPTIONS, "kernel_size"),
        ("stride", OPTIONS, "strides"),
        ("data_format", OPTIONS, "channels"),
        ("return_sequences", OPTIONS, "return_sequence"),
        ("num_heads", OPTIONS, "heads"),
        ("eps", OPTIONS, "epsilon"),
        ("dim", OPTIONS, "axis"),
        ("mse", losses, "mean_squared_error"),
        ("CrossEntropyLoss", losses, "categorical_cross_entropy"),
        ("sparse_categorical_crossentropy", losses, "categorical_cross_entropy"),
        ("BCEWithLogitsLoss", losses, "binary_cross_entropy"),
        ("acc", metrics, "accuracy"),
        ("f1_score", metrics, "f1"),
        ("Adam", optimizers, "adam"),
        ("xavier_uniform", initializers, "glorot_uniform"),
        ("kaiming_normal", initializers, "he_normal"),
        ("gpu", KNOWN, "CUDA"),
        ("mps", KNOWN, "METAL"),
        ("float", DTYPES, "float32"),
    ],
)
def test_names_from_elsewhere(written, known, meant):
    assert nearest(written, known)[0] == meant


def test_nothing_is_meant_by_nonsense():
    assert nearest("xyzzy", registry) == []
    assert nearest("", registry) == []


def test_linear_may_be_a_dense_layer_too():
    assert nearest("nn.Linear", registry) == ["dense", "linear"]
    assert nearest("linear", registry) == ["linear", "dense"]


def test_the_list_of_layers_does_not_flood():
    text = str(unknown("layer", "Conv2d", registry))
    rest = f"\n  fix: %axon layers lists all {len(registry)} layers"
    assert text == f"there is no layer 'Conv2d'\n  fix: did you mean 'conv'?{rest}"
    assert "fix: the metrics are: accuracy" in str(unknown("metric", "xyzzy", metrics))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: ax.dense(out_features=3), "did you mean 'units'"),
        (lambda: ax.conv(3, 3, stride=2), "did you mean 'strides'"),
        (lambda: ax.conv(3, 3, channels="channels_last"), "did you mean 'last'"),
        (lambda: ax.conv(3, 3, padding="SAME"), "did you mean 'same'"),
        (lambda: ax.dropout(p=0.5), "did you mean 'rate'"),
        (lambda: ax.dense(3, "LeakyReLU"), "did you mean 'leaky_relu'"),
        (lambda: ax.input((None, 3), dtype="float"), "did you mean 'float32'"),
        (lambda: ax.optimizers.adam(lr=0.1), "did you mean 'learning_rate'"),
    ],
)
def test_options_and_their_values(build, words):
    with pytest.raises(AxonError, match=words):
        build()
