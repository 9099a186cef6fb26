"""PyTorch modules come in as layers with their weights, and give the same numbers."""

import numpy as np
import pytest
from tinygrad import Context

import axon_nb as ax

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
nn = torch.nn


@pytest.fixture(autouse=True)
def _plain_kernels():
    with Context(NOOPT=1):
        yield


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(3, 6)

    def forward(self, x, y):
        joined = torch.relu(self.a(x)) + torch.tanh(self.b(y))
        return joined.softmax(-1), joined.mean(-1)


MODULES = {
    "cnn": (
        nn.Sequential(
            nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 5)
        ),
        (torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)),),
        {"conv", "relu", "max_pool", "dense"},
    ),
    "norm": (
        nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 3), nn.GELU()),
        (torch.ones(2, 5, 8),),
        {"layer_norm", "dense", "gelu"},
    ),
    "text": (
        nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2)),
        (torch.arange(6).reshape(2, 3),),
        {"embedding", "dense"},
    ),
    "two": (TwoInputs(), (torch.ones(2, 4), torch.ones(2, 3)), {"dense", "softmax", "add"}),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of PyTorch's exporter
@pytest.mark.parametrize("name", MODULES)
def test_modules(name):
    module, example, ops = MODULES[name]
    model, params = ax.from_torch(module, example)
    assert module.training
    assert ops <= {node.op for node in model.nodes}
    more = tuple(torch.cat([one, one[:1]]) for one in example)  # three samples where the example had two
    wanted = module.eval()(*more)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    data = {
        model.names[node]: one.numpy().astype(node.options["dtype"])
        for node, one in zip(model.inputs, more, strict=True)
    }
    found = model.predict(params, data)
    found = list(found.values()) if isinstance(found, dict) else [found]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other.detach().numpy(), rtol=1e-4, atol=1e-4)
    module.train()


def test_what_is_no_module():
    with pytest.raises(ax.AxonError, match=r"from_torch takes a torch\.nn\.Module"):
        ax.from_torch(3, torch.zeros(1))
    with pytest.raises(ax.AxonError, match="the example is a tensor, or a tuple of them"):
        ax.from_torch(nn.Linear(3, 2), 3)
