"""Random streams depend on seed, names, step and draw alone, and are the same on every device."""

import itertools
import json

import numpy as np
import pytest
from tinygrad import Tensor, dtypes

from axon_nb.engine import Program, generator, uniform, words

MASK = 0xFFFFFFFF


def threefry(c0, c1, k0, k1):
    """Threefry-2x32 with 20 rounds, as in Salmon et al., SC 2011."""
    keys = (k0, k1, k0 ^ k1 ^ 0x1BD11BDA)
    x0, x1 = (c0 + k0) & MASK, (c1 + k1) & MASK
    for block in range(5):
        for turn in ((13, 15, 26, 6), (17, 29, 16, 24))[block % 2]:
            x0 = (x0 + x1) & MASK
            x1 = (((x1 << turn) | (x1 >> (32 - turn))) & MASK) ^ x0
        x0 = (x0 + keys[(block + 1) % 3]) & MASK
        x1 = (x1 + keys[(block + 2) % 3] + block + 1) & MASK
    return x0, x1


def test_the_reference_is_threefry():
    # Known answers of the Random123 distribution (kat_vectors, threefry2x32 20).
    assert threefry(0, 0, 0, 0) == (0x6B200159, 0x99BA4EFE)
    assert threefry(MASK, MASK, MASK, MASK) == (0x1CB996FC, 0xBB002BE7)


def reference(key, step, draw, count):
    inner = threefry(step, draw, *key)
    half = (count + 1) // 2
    pairs = [threefry(i, i + half, *inner) for i in range(half)]
    bits = np.array([a for a, _ in pairs] + [b for _, b in pairs], "uint32")[:count]
    return (((bits >> 9) | 0x3F800000).view("float32") - 1).tolist()


KEYS = [(0, 0), (1, 0), (0, MASK), (MASK, MASK), (MASK, MASK - 1), (1 << 31, 1 << 31), (123456789, 987654321)]


@pytest.mark.parametrize("device", ["CPU", "PYTHON"])
@pytest.mark.parametrize("key", KEYS)
def test_numbers_are_those_of_threefry(key, device):
    for step, draw, count in ((0, 0, 1), (0, 3, 5), (MASK, 1, 2)):
        counter = Tensor([step], dtype=dtypes.uint32, device=device).realize()
        assert uniform(key, counter, draw, (count,)).tolist() == reference(key, step, draw, count)
    # Constant keys and counters must not be folded by tinygrad, which gets them wrong.
    assert uniform(key, None, 2, (5,), device=device).tolist() == reference(key, 0, 2, 5)


def test_words_are_the_same_for_ever():
    # Literal: a saved model must give the same masks and weights in the next version.
    assert words(0, "dropout_0") == (1833207877, 3125777983)
    assert words(1, "dropout_0") == (4013545117, 3449687836)
    assert all(0 <= word <= MASK for word in words(-5, "a", "b"))


def test_generator_is_the_same_for_ever():
    drawn = generator(0, "dense_0", "kernel").standard_normal(3)
    np.testing.assert_allclose(drawn, [0.3277765719083803, -0.7878817777707213, 0.14871640303277503], rtol=1e-12)


def test_names_are_kept_apart():
    paths = [("a", "bc"), ("ab", "c"), ("abc",), ("a", "b", "c"), (), ("",), ('a", "bc',)]
    assert len({words(0, *path) for path in paths}) == len(paths)
    assert words(0) != words(1)
    assert words(np.int64(3), "a") == words(3, "a")
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        words(0.5, "a")


def test_streams_are_independent():
    counters = [Tensor([step], dtype=dtypes.uint32).realize() for step in (0, 1)]
    streams = [
        uniform(words(seed, name), counter, draw, (4096,)).numpy()
        for seed, name, counter, draw in itertools.product((0, 1), ("dropout_0", "dropout_1"), counters, (0, 1))
    ]
    for a, b in itertools.combinations(streams, 2):
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.08  # 5 standard deviations of 1 / sqrt(4096)
        assert (a == b).mean() < 0.001
    together = np.concatenate(streams)
    assert together.min() >= 0
    assert together.max() < 1
    np.testing.assert_allclose(np.histogram(together, 10, (0, 1))[0] / len(together), 0.1, atol=0.01)


def test_generators_are_independent():
    a, b = (generator(0, name, "kernel").standard_normal(4096) for name in ("dense_0", "dense_1"))
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.08
    assert not (a == b).any()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes_and_shapes(dtype):
    drawn = uniform(words(0, "a"), None, 0, (50, 3), dtype)
    assert (drawn.shape, str(drawn.dtype).removeprefix("dtypes.")) == (
        (50, 3),
        {"float16": "half", "float32": "float", "float64": "double"}[dtype],
    )
    values = drawn.float().numpy()
    assert 0 <= values.min() < values.max() < 1
    assert uniform(words(0, "a"), None, 0, ()).shape == ()


def test_a_program_draws_anew_at_each_step_and_the_same_again():
    def masks(count):
        step = Tensor([0], dtype=dtypes.uint32).realize()

        def draw():
            mask = uniform(words(7, "dropout_0"), step, 0, (16,)) < 0.5
            step.assign(step + 1)
            return mask

        program = Program(draw, state=[step])
        return [program().tolist() for _ in range(count)]

    first = masks(6)
    assert len({json.dumps(mask) for mask in first}) == 6
    assert masks(6) == first
    expected = [[value < 0.5 for value in reference(words(7, "dropout_0"), step, 0, 16)] for step in range(6)]
    assert first == expected


def test_the_counter_may_be_on_another_device():
    counter = Tensor([4], dtype=dtypes.uint32, device="PYTHON").realize()
    drawn = uniform(words(0, "a"), counter, 0, (3,), device="CPU")
    assert drawn.device == "CPU"
    assert drawn.tolist() == reference(words(0, "a"), 4, 0, 3)
