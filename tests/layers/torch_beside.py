"""Compares a function of ours with PyTorch's, forward and backward."""

import numpy as np
import pytest
from tinygrad import Tensor

torch = pytest.importorskip("torch")


def numbers(*shape, seed=0):
    """Draw numbers; the same shape and seed give the same ones."""
    return np.random.default_rng((seed, *shape)).normal(size=shape).astype(np.float32)


def beside(ours, theirs, *arrays, tol=1e-4):
    """Check that two functions of the same arrays agree within ``tol``, and that all their gradients do."""
    mine, other = [Tensor(a) for a in arrays], [torch.tensor(a, requires_grad=True) for a in arrays]
    y, z = ours(*mine), theirs(*other)
    weights = np.cos(np.arange(z.numel(), dtype=np.float32)).reshape(z.shape)
    gradients = (y * Tensor(weights)).sum().gradient(*mine)
    (z * torch.tensor(weights)).sum().backward()
    Tensor.realize(y, *gradients)
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=tol, atol=tol)
    for gradient, tensor in zip(gradients, other, strict=True):
        np.testing.assert_allclose(gradient.numpy(), tensor.grad.numpy(), rtol=tol, atol=tol)
