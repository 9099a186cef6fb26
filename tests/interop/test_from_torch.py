"""PyTorch modules come in as layers with their weights, and give the same numbers."""

import numpy as np
import pytest

import axon_nb as ax

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
nn = torch.nn

pytestmark = pytest.mark.usefixtures("plain_kernels")


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(3, 6)

    def forward(self, x, y):
        joined = torch.relu(self.a(x)) + torch.tanh(self.b(y))
        return joined.softmax(-1), joined.mean(-1)


def conv_norm(within, units, strides=1):
    return nn.Sequential(nn.Conv2d(within, units, 3, strides, 1, bias=False), nn.BatchNorm2d(units))


class Block(nn.Module):
    """A block of ResNet-18."""

    def __init__(self, within, units, strides):
        super().__init__()
        self.first, self.second = conv_norm(within, units, strides), conv_norm(units, units)
        short = nn.Sequential(nn.Conv2d(within, units, 1, strides, bias=False), nn.BatchNorm2d(units))
        self.short = short if strides > 1 else nn.Identity()

    def forward(self, x):
        return torch.relu(self.second(torch.relu(self.first(x))) + self.short(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.body = nn.Sequential(Block(8, 8, 1), Block(8, 8, 1), Block(8, 16, 2), Block(16, 16, 1))
        self.end, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(16, 10)

    def forward(self, x):
        return self.head(torch.flatten(self.end(self.body(self.pool(self.stem(x)))), 1))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.deep = conv_norm(1, 4), conv_norm(4, 8)
        self.up, self.last = nn.ConvTranspose2d(8, 4, 2, 2), conv_norm(8, 4)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        side = torch.relu(self.down(x))
        deep = torch.relu(self.deep(nn.functional.max_pool2d(side, 2)))
        return self.head(torch.relu(self.last(torch.cat([self.up(deep), side], dim=1)))).sigmoid()


class Text(nn.Module):
    """Words through an LSTM to two classes."""

    def __init__(self):
        super().__init__()
        self.table, self.lstm = nn.Embedding(20, 6), nn.LSTM(6, 5, num_layers=2, batch_first=True)
        self.head = nn.Linear(5, 2)

    def forward(self, words):
        return self.head(self.lstm(self.table(words))[0][:, -1]).softmax(-1)


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def stirred(module):
    """Move running means and variances away from zero and one, so that none goes unnoticed."""
    for name, one in module.named_buffers():
        if "running" in name:
            one.uniform_(-0.1, 0.1) if "mean" in name else one.uniform_(0.5, 1.5)
    return module


MODULES = {
    "resnet": (stirred(ResNet()), (drawn(2, 3, 32, 32),), {"conv", "batch_norm", "relu", "max_pool", "add", "dense"}),
    "unet": (
        stirred(UNet()),
        (drawn(2, 1, 16, 16),),
        {"conv", "batch_norm", "max_pool", "conv_transpose", "concatenate", "sigmoid"},
    ),
    "lstm": (Text(), (torch.arange(14).reshape(2, 7),), {"embedding", "lstm", "dense", "softmax"}),
    "gru": (nn.GRU(4, 5, batch_first=True, bidirectional=True), (drawn(2, 7, 4),), set()),
    "transformer": (
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu"),
        (drawn(2, 5, 8),),
        {"dense", "gelu", "layer_norm", "add"},
    ),
    "cnn": (
        nn.Sequential(
            nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 5)
        ),
        (torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)),),
        {"conv", "relu", "max_pool", "dense"},
    ),
    "norm": (
        nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 3), nn.GELU()),
        (drawn(2, 5, 8),),
        {"layer_norm", "dense", "gelu"},
    ),
    "text": (
        nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2)),
        (torch.arange(6).reshape(2, 3),),
        {"embedding", "dense"},
    ),
    "two": (TwoInputs(), (drawn(2, 4), drawn(2, 3)), {"dense", "softmax", "add"}),
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
    assert all(not torch.allclose(one[0], one[1]) for one in wanted)  # what all inputs give proves nothing
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
