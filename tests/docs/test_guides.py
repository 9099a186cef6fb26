"""What the README and the guide for contributors show is run."""

import doctest
import re
from pathlib import Path

import numpy as np
import pytest

import axon_nb as ax
from axon_nb.magic.cell import run
from axon_nb.magic.show import library
from axon_nb.magic.text import read_cell

ROOT = Path(__file__).parents[2]


def blocks(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def cell():
    """Return the model of the README's first cell."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    body = re.search(r"^```text\n%%axon mnist\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[1]
    axon = library()
    return run(read_cell("mnist", body), {}, axon.layers, axon.make_input, is_model=axon.is_model).value


def test_the_layer_of_five_minutes():
    names = {}
    for block in blocks("CONTRIBUTING.md"):
        exec(compile(block, "CONTRIBUTING.md", "exec"), names)
    layer = names["squared_relu"]
    for example in doctest.DocTestParser().get_examples(layer.__doc__):
        shape = eval(example.source, names) if example.want else exec(example.source, names)
    assert shape == (None, 8)
    model = names["model"]
    x = np.linspace(-1, 1, 8, dtype="float32").reshape(2, 4)
    assert model.predict(model.init(), x).shape == (2, 1)
    assert str(model.init()["squared_relu_0"]["scale"].numpy().tolist()) == str([1.0] * 8)
    with pytest.raises(ax.AxonError, match="scale_initializer"):
        names["squared_relu"]("none of them")


@pytest.mark.filterwarnings("ignore:like:UserWarning")
def test_the_readme(tmp_path, monkeypatch, capsys):
    pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x, y = rng.random((40, 1, 28, 28), dtype="float32"), rng.integers(0, 10, 40)
    names = {"x_train": x, "y_train": y, "x_test": x, "y_test": y, "noise": rng.random((3, 128), dtype="float32")}
    names |= {"ax": ax, "mnist": cell()}
    for block in blocks("README.md"):
        exec(compile(block, "README.md", "exec"), names)
    assert names["fake"].shape == (3, 28, 28)
    assert names["model"].output_shape == (None, 1)
    np.testing.assert_allclose(names["loaded"].predict(x), names["trained"].predict(x), rtol=1e-5, atol=1e-6)
    assert names["seen"].shape == (1, 32, 26, 26)
    assert (names["again"].params["dense_1"]["kernel"].shape, (tmp_path / "mnist.onnx").exists()) == ((5408, 32), True)
    assert "nn.Conv2d(1, 32" in capsys.readouterr().out
