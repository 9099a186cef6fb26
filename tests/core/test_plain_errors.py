"""Errors outside of ``%%axon`` cells: the user's own line with carets, and no line of ours or tinygrad's."""

import os
import re
import subprocess
import sys

import pytest

import axon_nb as ax

MODEL = """\
import axon_nb as ax

def build(units):
    x = ax.input((None, 8))
    return (
        x
        | ax.dense(units, name="größe")
        | ax.conv(4, 3)
    )

"""


def script(tmp_path, text, **environment):
    file = tmp_path / "models.py"
    file.write_text(text, encoding="utf-8")
    settings = {**os.environ, "PYTHONUTF8": "1", **environment}
    done = subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, encoding="utf-8", check=False, env=settings
    )
    assert done.returncode == 1
    return done.stderr.replace(str(file), "models.py")


def test_a_script_shows_its_own_lines(tmp_path):
    assert script(tmp_path, f"{MODEL}print(build(16).output_shape)\n") == (
        "Traceback (most recent call last):\n"
        '  File "models.py", line 11, in <module>\n'
        "    print(build(16).output_shape)\n"
        "          ^^^^^^^^^^^^^^^^^^^^^^\n"
        "ShapeError: conv 'conv_0' (models.py line 8): needs 3, 4 or 5 axes, with the batch first, and got 2\n"
        "    | ax.conv(4, 3)\n"
        "      ^^^^^^^^^^^^^\n"
        "  got: (None, 16)\n"
        "  fix: put reshape((1, 4, 4)) before it: reshape((1, 4, 4)) | conv(4, 3)\n"
    )


def test_a_script_shows_where_an_option_is_wrong_once(tmp_path):
    said = script(tmp_path, f"{MODEL}build('16')\n")
    assert said.count('| ax.dense(units, name="größe")\n') == 1
    assert (
        "OptionError: dense (models.py line 7): units must be a whole number of at least 1, got '16'\n"
        '    | ax.dense(units, name="größe")\n'
        "      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "  fix: write units=16\n"
    ) in said
    assert "declaration.py" not in said


def test_a_layer_of_ones_own_shows_the_line_that_failed(tmp_path):
    text = (
        "import axon_nb as ax\ndef scaled(x):\n    return x.foo()\nprint((ax.input((None, 3)) | scaled).output_shape)\n"
    )
    said = script(tmp_path, text)
    assert "tinygrad" not in said
    assert "  in: models.py line 3: return x.foo()\n" in said


def test_verbose_scripts_show_everything(tmp_path):
    said = script(tmp_path, f"{MODEL}build(16).output_shape\n", AXON_NB_VERBOSE="1")
    assert re.search(r"axon_nb.trace.\w+\.py", said)


def test_other_errors_are_shown_as_ever(tmp_path):
    assert "ZeroDivisionError: division by zero" in script(tmp_path, "import axon_nb\n1 / 0\n")


def test_a_hook_that_is_there_already_stays(tmp_path):
    text = f"import sys\nsys.excepthook = lambda *error: sys.stderr.write('mine')\n{MODEL}build(16).output_shape\n"
    assert script(tmp_path, text) == "mine"


def test_an_error_knows_the_line_of_its_layer_and_shows_it():
    model = ax.input((None, 8)) | ax.conv(4, 3)
    with pytest.raises(ax.errors.ShapeError) as caught:
        model.init()
    shown = caught.value.shown
    assert (
        "\n    model = ax.input((None, 8)) | ax.conv(4, 3)\n                                  ^^^^^^^^^^^^^\n" in shown
    )
    assert "model = " not in str(caught.value)


def test_a_card_outside_of_a_cell_shows_the_line():
    model = ax.input((None, 8)) | ax.conv(4, 3, name="<b>")
    data = model._repr_mimebundle_()
    assert 'ax.conv(4, 3, name="<b>")\n' in data["text/plain"]
    assert "ax.conv(4, 3, name=&quot;&lt;b&gt;&quot;)\n" in data["text/html"]
