"""One training on several devices: the numbers of one."""

import numpy as np
import pytest
from models import CASES

import axon_nb as ax

BOTH = ["CPU:0", "CPU:1"]


def losses(name, batch_size=8, **options):
    case = CASES[name]
    trained = case.model().fit(
        (case.x, case.y), loss=case.loss, optimizer="sgd", epochs=3, batch_size=batch_size, seed=3, **options
    )
    return trained.history["loss"], {name: t.numpy() for name, t in trained.params.flat.items()}, trained


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet block", "attention", "siamese", "text"])
def test_the_losses_are_those_of_one_device(name):
    one, weights, _ = losses(name)
    two, again, trained = losses(name, devices=BOTH)
    np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-5)
    for path, values in weights.items():
        np.testing.assert_allclose(again[path], values, rtol=1e-3, atol=1e-4, err_msg=path)
    assert {str(leaf.tensor.device) for leaf in trained.params.leaves.values()} == {"CPU"}


def test_a_batch_that_cannot_be_parted_is_filled_up_where_that_is_exact():
    one, _, _ = losses("siamese", batch_size=5)
    two, _, _ = losses("siamese", batch_size=5, devices=BOTH)
    np.testing.assert_allclose(two, one, rtol=1e-4)


def test_where_it_is_not_exact_the_error_says_so():
    with pytest.raises(ax.AxonError, match="parted evenly over 2 devices"):
        losses("resnet block", batch_size=5, devices=BOTH)


def test_a_checkpoint_of_one_device_goes_on_on_another(tmp_path):
    whole, _, _ = losses("mlp")
    case = CASES["mlp"]
    shared = {"loss": case.loss, "optimizer": "sgd", "batch_size": 8, "seed": 3}
    keep = ax.callbacks.Checkpoint(tmp_path)
    case.model().fit((case.x, case.y), epochs=2, device="CPU", callbacks=[keep], **shared)
    moved = case.model().fit((case.x, case.y), epochs=3, device="CPU:1", resume=tmp_path, **shared)
    np.testing.assert_allclose(moved.history["loss"], whole, rtol=1e-5)
    assert {str(tensor.device) for tensor in moved.params.flat.values()} == {"CPU:1"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"devices": BOTH, "device": "CPU"}, "give one of them"),
        ({"devices": "CPU"}, "list of names"),
        ({"devices": []}, "list of names"),
        ({"devices": ["CPU", "CPU:0"]}, "different ones"),
        ({"devices": ["CPU", "CUDDA"]}, "CUDA"),
    ],
)
def test_bad_lists_of_devices(options, said):
    with pytest.raises(ax.AxonError, match=said):
        losses("mlp", **options)
