"""``%axon`` commands on models, ``--check``, and what changed when a cell is run again, in a real shell."""

import pytest

import axon_nb as ax
from axon_nb.errors import CellError
from axon_nb.magic.checks import check, checks_html
from axon_nb.magic.extension import _folded
from axon_nb.rows import Report

SMALL = "%%axon m\ninput((None, 8)) | dense(4)"
LARGE = "%%axon m\ninput((None, 8)) | dense(16) | relu() | dense(4)"


def card(notebook, text):
    return notebook.run(text)[2][0]


def test_a_cell_that_is_run_again_says_what_changed(real):
    assert "Changed since" not in card(real, SMALL)["text/plain"]
    shown = card(real, LARGE)
    assert "Changed since the last run: 2 added, 1 changed; 1 the same" in shown["text/plain"]
    assert "+  dense_0  dense(units=16); 144 parameters" in shown["text/plain"]
    assert "+  relu_0   relu()" in shown["text/plain"]
    assert "Parameters: 36 → 212 (+176, +489%)" in shown["text/plain"]
    assert "<details " in shown["text/html"]
    assert "<summary>Changed since the last run: 2 added, 1 changed; 1 the same; parameters: 36" in shown["text/html"]
    assert "Changed since" not in card(real, LARGE)["text/plain"]


def test_a_size_that_is_a_variable_makes_a_new_version(real):
    real.run("width = 4")
    card(real, "%%axon m\ninput((None, 8)) | dense(width)")
    real.run("width = 5")
    assert "units 4 → 5" in card(real, "%%axon m\ninput((None, 8)) | dense(width)")["text/plain"]


def test_diff(real):
    assert "no cell has made a model yet" in real.fails("%axon diff")
    real.run(SMALL)
    assert real.run("%axon diff m")[1] == "m has one version only\n"
    real.run(LARGE)
    real.run("%axon diff")
    assert repr(real.result.result).startswith("2 added, 1 changed; 1 the same\n")
    assert "Parameters: 36 → 212" in repr(real.result.result)
    real.run(SMALL.replace("m\n", "other\n"))
    real.run("%axon diff m other")
    assert repr(real.result.result).startswith("2 removed, 1 changed; 1 the same\n")
    assert "<strong>2 removed" in real.result.result._repr_html_()
    real.run("%axon diff m m")
    assert repr(real.result.result) == "nothing changed: 4 layers, 212 parameters"
    assert "there is no model 'mm'\n  fix: did you mean 'm'?" in real.fails("%axon diff m mm")
    assert "two models at most" in real.fails("%axon diff m m m")


def test_undo_goes_back(real):
    real.run(SMALL)
    small = real.variables["m"]
    real.run(LARGE)
    assert real.run("%axon undo m")[0]
    assert real.variables["m"] is small
    assert "there is no earlier version of m" in real.fails("%axon undo m")
    assert real.variables["m"] is small
    assert "undo takes the name of one model" in real.fails("%axon undo")


def test_code_puts_the_cell_into_the_next_one(real, monkeypatch):
    put = []
    monkeypatch.setattr(real.shell, "set_next_input", lambda text, replace: put.append(text))
    real.run(LARGE)
    assert real.run("%axon code m")[:2] == (True, "the next cell makes m\n")
    assert put == [LARGE]
    assert "there is no model 'n'" in real.fails("%axon code n")
    real.run("%axon code m")
    assert put == [LARGE, LARGE]
    real.run("import axon_nb as ax\nplain = ax.input((None, 4)) | ax.dense(2)")
    real.run("%axon code plain")
    assert put[2] == "%%axon plain\ninput((None, 4)) | dense(2)"


def test_save_and_load(real, tmp_path):
    real.run(SMALL)
    real.run("import numpy as np\nt = m.fit((np.ones((8, 8)), np.ones((8, 4))), loss='mean_squared_error')")
    file = tmp_path / "t.safetensors"
    assert real.run(f"%axon save t '{file}'")[:2] == (True, f"saved {file}\n")
    assert real.run(f"%axon load '{file}' again")[0]
    assert real.variables["again"].model.output_shape == (None, 4)
    assert "there is no variable 'tt'" in real.fails(f"%axon save tt {file}")
    bare = real.fails("%axon save m 'm.safetensors'")
    assert (
        "m is a model, which holds no weights\n  fix: trained = m.fit(...), then %axon save trained 'm.safetensors'"
        in bare
    )
    assert "ax.save('m.safetensors', m, params)" in bare
    assert "FileError" in real.fails(f"%axon load {tmp_path / 'none'} again")
    assert "load takes a file and a name" in real.fails("%axon load x")


@pytest.mark.parametrize(
    ("asked", "passed"),
    [
        ("params < 50_000", True),
        ("params <= 36", True),
        ("params != 36", False),
        ("30 < params < 40", True),
        ("output == (None, 4)", True),
        ("output == (None, 10)", False),
        ("output == [None, 4]", True),
        ("input == (None, 8)", True),
        ("dense == 1", True),
        ("relu >= 1", False),
        ("layers == 1", True),
        ("size < 1000", True),
        ("macs == 32", True),
        ("trainable == 36, frozen == 0, state == 0", True),
    ],
)
def test_checks(real, asked, passed):
    shown = card(real, f'%%axon m --check "{asked}"\ninput((None, 8)) | dense(4)')
    assert ("FAIL" not in shown["text/plain"]) is passed
    assert ("<strong>FAIL</strong>" in shown["text/html"]) is not passed
    assert "m" in real.variables


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("params", "is no comparison"),
        ("", "is no comparison"),
        ("3 < 4", "asks nothing of the model"),
        ("parms < 3", "there is no fact 'parms'"),
        ("output < 3", "orders what has no order"),
        ("params < (1, 2)", "orders what has no order"),
        ("params is 3", "is no comparison with"),
        ("params < open('x')", "neither a fact of the model"),
        ("params < m.params", "neither a fact of the model"),
        ("(lambda: 1)() < params", "neither a fact of the model"),
        ("params < [x for x in y]", "neither a fact of the model"),
        ("params < 2 ** 9999999", "neither a fact of the model"),
        ("params <", "is no comparison"),
        ("(" * 5000, "is no comparison"),
        ("params < True", "neither a fact of the model"),
    ],
)
def test_checks_that_are_none_say_so_and_run_nothing(asked, words):
    with pytest.raises(CellError, match=words.replace("(", r"\(")):
        check(Report("m", ()), asked, {"dense"})


def test_a_check_that_is_wrong_is_pointed_at_and_binds_nothing(real):
    printed = real.fails('%%axon m --check "parms < 3"\ninput((None, 8))')
    assert '    %%axon m --check "parms < 3"\n             ^^^^^^^\n' in printed
    assert "m" not in real.variables


def test_quiet_prints_checks(real):
    assert real.run(SMALL.replace("m\n", 'm --quiet --check "params < 3"\n'))[1:] == (
        "0 of 1 check passed\n  FAIL  params < 3  (is 36)\n",
        [],
    )


HOSTILE = "</bdi><script>alert(1)</script>"


def test_no_users_text_reaches_html():
    x = ax.input((None, 8), name="x")
    old, new = x | ax.dense(3), x | ax.relu(name=HOSTILE) | ax.block(HOSTILE + "2", ax.dense(3, name=HOSTILE + "1"))
    html = _folded(ax.diff(old.named(HOSTILE), new.named(HOSTILE)))
    html += checks_html(check(Report("m", ()), f"output == ({HOSTILE!r},)", ()))
    assert "alert(1)" in html
    assert "<script" not in html
    assert "</bdi><" not in html.replace("</bdi></td>", "")


def test_what_only_reads_something_else_is_told(real):
    real.run("%%axon a --quiet\nx = input((None, 8))\ny = x | dense(8)\nadd(y, x) | relu()")
    real.run("%%axon b --quiet\nx = input((None, 8))\ny = x | dense(8)\nadd(y, y) | relu()")
    real.run("%axon diff a b")
    assert real.result.result.changed == {"add_0": ("reads dense_0, dense_0",)}


def test_layers_of_ones_own_can_be_counted(real):
    real.run("import axon_nb as ax\n\n@ax.layer\ndef wave(x: ax.Tensor):\n    return x.sin()\n")
    text = real.run("%%axon m --check 'wave == 2, layers == 2'\ninput((None, 4)) | wave() | wave()")[2][0]["text/plain"]
    assert "pass  wave == 2" in text
    assert "FAIL" not in text
