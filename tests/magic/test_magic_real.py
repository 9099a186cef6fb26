"""The magics with axon_nb itself: the two models that started the project, and errors of real layers."""

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


@pytest.mark.parametrize("pipe", ["|", "|>"])
def test_mnist(real, pipe):
    success, printed, shown = real.run(
        f"%%axon mnist\ninput({{None, 784}}) {pipe} dense(128, relu)\n{pipe} dense(10, softmax)"
    )
    assert (success, printed, len(shown)) == (True, "", 1)
    assert "101,770" in shown[0]["text/plain"]
    assert "101,770" in shown[0]["text/html"]
    assert real.variables["mnist"].output_shape == (None, 10)
    assert real.variables["mnist"].name == "mnist"


def test_the_same_cell_gives_the_same_card(real):
    cell = "%%axon mnist\ninput({None, 784}) | dense(128, relu) | dense(10, softmax)"
    assert real.run(cell)[2] == real.run(cell)[2]


def test_gan(real):
    real.run("%%axon generator(latent: 128)\n| dense(256, 'tanh') | dense(784, 'tanh')\n| reshape({28, 28})")
    real.run("%%axon discriminator(image: (28, 28))\n| flatten() | dense(128, relu)\n| dense(1, sigmoid)")
    success, printed, shown = real.run("%%axon gan\ngenerator | discriminator")
    assert (success, printed, len(shown)) == (True, "", 1)
    assert "335,121" in shown[0]["text/plain"]
    parts = {name.partition(".")[0] for name in real.variables["gan"].params}
    assert parts == {"generator", "discriminator"}


@pytest.mark.parametrize(
    ("cell", "kind", "line", "text", "at"),
    [
        ("%%axon m\ninput((None, 784))\n# a\n| dense(3) | conv(10, 3)", "ShapeError", 4, "| dense(3) | conv(10, 3)",
         "conv(10, 3)"),
        ("%%axon m(x: 3)\n| dense(9,\n        units=3)", "OptionError", 3, "units=3)", "units=3"),
        ("%%axon m(x: 3)\n| dense(9, actvation=3)", "OptionError", 2, "| dense(9, actvation=3)", "actvation=3"),
        ("%%axon m(x: 3)\n| dense(9) | 3", "GraphError", 2, "| dense(9) | 3", "3"),
        ("%%axon m(x: 3)\n| dens(9)", "UnknownNameError", 2, "| dens(9)", "dens"),
        ("%%axon m\ndense(9) | relu()", "CellError", 2, "dense(9) | relu()", "dense(9)"),
        ("%%axon m\ndense", "CellError", 2, "dense", "dense"),
    ],
)  # fmt: skip
def test_an_error_points_at_the_layer(real, cell, kind, line, text, at):
    first, shown, carets, *_ = real.fails(cell).partition(f"{kind}: ")[2].split("\n")
    assert f"cell line {line}" in first
    assert shown == f"    {text}"
    start = carets.index("^")
    assert shown[start : start + carets.count("^")] == at
    assert "m" not in real.variables


def test_where_parts_do_not_meet_the_pipe_is_pointed_at_and_the_other_cell_named(real):
    real.run("%%axon part(image: (28, 28)) --quiet\n| flatten()")
    assert real.fails("%%axon m(x: 3)\npart(x)").split("ShapeError: ")[1].split("\n")[:4] == [
        "input 'part.image' (cell line 2): takes (None, 28, 28), as cell line 1 of 'part' says",
        "    part(x)",
        "    ^^^^^^^",
        "  got: (None, 3)",
    ]
    assert real.fails("%%axon m(x: 3)\nx | dense(784) | part").split("ShapeError: ")[1].split("\n")[1:3] == [
        "    x | dense(784) | part",
        "                     ^^^^",
    ]


def test_layers_and_families(real):
    success, printed, _ = real.run("%axon layers linear")
    assert success
    assert printed.startswith("linear\n  dense ")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # nbclient's and jupyter_client's own
def test_run_all_stops_at_a_broken_cell(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    load = "from axon_nb.magic import load_ipython_extension\nload_ipython_extension(get_ipython())"
    cells = [load, "%%axon m(x: 3)\n| dense(3)", "%%axon m(x: 3)\n| dens(3)", "after = 1"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    with pytest.raises(CellExecutionError):
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    _, good, broken, after = notebook.cells
    assert [output.output_type for output in good.outputs] == ["display_data"]
    assert set(good.outputs[0].data) == {"text/html", "text/plain"}
    assert [output.output_type for output in broken.outputs] == ["error"]
    assert broken.outputs[0].ename == "UnknownNameError"
    assert (
        broken.outputs[0].traceback[0].startswith("UnknownNameError: cell line 2: there is no layer or variable 'dens'")
    )
    assert len(broken.outputs[0].traceback) == 1
    assert after.execution_count is None
