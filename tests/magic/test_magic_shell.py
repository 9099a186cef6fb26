"""The magics in a real IPython shell."""

import subprocess
import sys
from dataclasses import replace

import pytest

from axon_nb.errors import CellError, OptionError, ShapeError
from axon_nb.magic import extension
from axon_nb.magic.commands import COMMANDS


@pytest.fixture(autouse=True)
def own_commands(monkeypatch):
    """Only the magic's own commands: others of this process may have loaded the extension, which adds the builder's."""
    monkeypatch.delitem(COMMANDS, "build", raising=False)


def test_a_cell_binds_its_model_and_shows_one_card(notebook):
    success, printed, shown = notebook.run(
        "%%axon mnist\nwidth = 3\ninput((None, 784))\n|> dense(width)\n\n| flatten()"
    )
    assert (success, printed) == (True, "")
    assert shown == [
        {
            "text/html": "<b>mnist: input_0 -> dense_1 -> flatten_2</b>",
            "text/plain": "mnist: input_0 -> dense_1 -> flatten_2",
        }
    ]
    assert notebook.variables["mnist"].name == "mnist"
    assert notebook.variables["width"] == 3
    assert notebook.result.result is None
    assert not notebook.variables.keys() & {"__axon_value__", "__builtins__axon__", "dense", "input"}


def test_variables_of_a_cell_are_seen_by_who(notebook):
    notebook.run("%%axon mnist\nwidth = 3\ninput((None, width))")
    assert set(notebook.shell.run_line_magic("who_ls", "")) == {"mnist", "width"}


def test_models_are_used_in_later_cells(notebook):
    notebook.run("%%axon generator(latent: 128)\n| dense(784)\n| reshape({28, 28})")
    notebook.run("%%axon discriminator\ninput({nil, 28, 28}) | flatten()".replace("nil", "None"))
    assert notebook.run("%%axon gan\ngenerator | discriminator")[2][0]["text/plain"] == (
        "gan: input_0 -> dense_1 -> reshape_2 -> input_3 -> flatten_4"
    )
    assert notebook.variables["gan"].layers[2].options == ((28, 28),)


@pytest.mark.parametrize(
    "broken",
    [
        "%%axon mnist\nwidth = 4\ninput() | dens(3)",
        "%%axon mnist\nwidth = 4\ninput() | misfit()",
        "%%axon mnist\nwidth = 4\ninput() | dense(3, rate=7)",
        "%%axon mnist\nwidth = 4\nwidth / 0",
        "%%axon mnist\nwidth = 4\ndense(3)",
        "%%axon mnist\nwidth = (4",
        "%%axon mnist(\nwidth = 4",
        "%%axon mnist --quite\nwidth = 4\ninput()",
    ],
)
def test_a_cell_that_fails_leaves_everything_as_it_was(notebook, broken):
    notebook.run("%%axon mnist\nwidth = 3\ninput((None, width))")
    before = {name: value for name, value in notebook.variables.items() if not name.startswith("_")}
    printed = notebook.fails(broken)
    assert {name: value for name, value in notebook.variables.items() if not name.startswith("_")} == before
    assert "Traceback" not in printed
    assert "extension.py" not in printed


def test_an_error_is_its_message_and_nothing_else(notebook):
    assert notebook.fails("%%axon m\ninput((None, 3))\n  | dense(3, rate=7)  # why") == (
        "OptionError: dense (cell line 3): rate is from 0 to 1, got 7\n"
        "    | dense(3, rate=7)  # why\n"
        "               ^^^^^^"
    )
    assert isinstance(notebook.result.error_in_exec, OptionError)


def test_an_unreadable_cell_is_its_message_and_nothing_else(notebook):
    assert notebook.fails("%%axon m\ninput((None, 3))\n  | dense(3 'relu')") == (
        "CellError: cell line 3: a comma is missing\n"
        "    | dense(3 'relu')\n"
        "            ^^^^^^^^\n"
        "  fix: write a comma between the two"
    )
    assert isinstance(notebook.result.error_in_exec, CellError)


def test_a_model_that_does_not_fit_shows_its_card_up_to_there(notebook):
    success, printed, shown = notebook.run("%%axon m\ninput((None, 3))\n  | dense(3) | misfit(2)\n| flatten()")
    assert not success
    assert [data["text/plain"] for data in shown] == ["m: input_0 -> dense_1 -> misfit_2 -> flatten_3"]
    assert printed == (
        "ShapeError: misfit 'misfit_2' (cell line 3): does not fit\n"
        "    | dense(3) | misfit(2)\n"
        "                 ^^^^^^^^^\n"
        "  fix: leave it out\n"
    )
    assert isinstance(notebook.result.error_in_exec, ShapeError)
    assert "m" not in notebook.variables


def test_a_layer_of_another_cell_is_shown_where_it_stands(notebook):
    notebook.run("%%axon part\n# it\nbad = misfit(2)\ninput()")
    assert notebook.fails("%%axon m\ninput() | bad") == (
        "ShapeError: misfit 'misfit_1' (cell line 3 of 'part'): does not fit\n"
        "    bad = misfit(2)\n"
        "          ^^^^^^^^^\n"
        "  fix: leave it out"
    )


def test_a_layer_of_a_file_is_shown_where_it_stands(notebook, library, tmp_path):
    file, text = tmp_path / "layers.py", "\ndef bad():\n    return misfit(2)\n"
    names = {"misfit": library.layers["misfit"]}
    exec(compile(text, str(file), "exec"), names)
    notebook.variables["bad"] = names["bad"]
    where, fix = "ShapeError: misfit 'misfit_1' (layers.py line 3): does not fit\n", "  fix: leave it out"
    assert notebook.fails("%%axon m\ninput() | bad()") == where + fix
    file.write_text(text, encoding="utf-8")
    shown = "    return misfit(2)\n           ^^^^^^^^^\n"
    assert notebook.fails("%%axon m\ninput() | bad()") == where + shown + fix


def test_a_layer_without_a_place_is_named_only(plain_shell, library, capsys):
    extension.load(plain_shell, replace(library, failed_at=lambda model, report: None))
    plain_shell.run_cell("%%axon m\ninput() | misfit()")
    assert capsys.readouterr().out.endswith("ShapeError: misfit 'misfit_1': does not fit\n  fix: leave it out\n")


def test_a_card_that_cannot_be_drawn_breaks_nothing(notebook):
    success, printed, shown = notebook.run("%%axon m\ninput() | broken()")
    assert (success, printed) == (True, "")
    assert shown == [{"text/plain": "the card cannot be drawn (RuntimeError: no picture); the model is fine"}]
    assert "m" in notebook.variables


def test_a_model_without_a_name_is_shown_and_not_bound(notebook):
    before = set(notebook.variables)
    success, printed, shown = notebook.run("%%axon\ninput() | dense(3)")
    assert (success, printed) == (True, "this model has no name: write %%axon NAME to keep it\n")
    assert [data["text/plain"] for data in shown] == ["None: input_0 -> dense_1"]
    assert {name for name in set(notebook.variables) - before if not name.startswith("_")} == set()


def test_a_model_assigned_in_the_last_line_is_called_so(notebook):
    success, printed, _ = notebook.run("%%axon\nnet = input() | dense(3)")
    assert (success, printed, notebook.variables["net"].name) == (True, "", "net")


@pytest.mark.parametrize(
    ("flags", "look"),
    [
        ("--no-diagram", "{'diagram': False}"),
        ("--unfold", "{'unfold': True}"),
        ("--columns layer,shape", "{'columns': ('layer', 'shape')}"),
        ("--columns='layer, shape'", "{'columns': ('layer', 'shape')}"),
        ("--no-diagram --unfold", "{'diagram': False, 'unfold': True}"),
    ],
)
def test_flags_change_the_look(notebook, flags, look):
    for header in (f"m {flags}", f"{flags} m"):
        assert notebook.run(f"%%axon {header}\ninput()")[2][0]["text/plain"] == f"m: input_0 {look}"


def test_quiet_binds_and_shows_nothing(notebook):
    assert notebook.run("%%axon m(x: 3) --quiet\n| dense(3)") == (True, "", [])
    assert notebook.variables["m"].name == "m"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            "m --quite",
            "there is no option '--quite'\n    %%axon m --quite\n             ^^^^^^^\n"
            "  fix: did you mean '--quiet'?\n"
            "  fix: the options are: --check, --columns, --no-diagram, --quiet, --unfold",
        ),
        (
            "m --columns",
            "argument --columns: expected one argument\n    %%axon m --columns\n             ^^^^^^^^^\n"
            "  fix: %%axon? shows all options",
        ),
    ],
)
def test_a_flag_that_is_wrong_is_pointed_at(notebook, header, message):
    assert notebook.fails(f"%%axon {header}\ninput()") == f"CellError: cell line 1: {message}"


def test_braces_and_dollars_are_not_expanded(notebook):
    notebook.run("x = 3")
    assert "there is no column '{x}'" in notebook.fails("%%axon m(y: {28, 28}) --columns '{x}'\n| dense('$x {x}')")
    notebook.run("%%axon m(y: {28, 28})\n| dense('$x {x}')")
    assert notebook.variables["m"].layers[1].options == ("$x {x}",)


def test_sizes_in_the_header_may_be_variables(notebook):
    notebook.run("width = 128")
    notebook.run("%%axon m(x: width, y: (time, width)) --quiet\nx")
    assert notebook.variables["m"].layers[0].options == ("x", (None, 128))


def test_an_interrupt_passes_and_binds_nothing(notebook):
    printed = notebook.fails("%%axon m\nraise KeyboardInterrupt\ninput()")
    assert isinstance(notebook.result.error_in_exec, KeyboardInterrupt)
    assert "KeyboardInterrupt" in printed
    assert "m" not in notebook.variables


HELP = """\
Commands:
  %axon help              List these commands.
  %axon layers [FAMILY]   List all layers, or those of one family.
  %axon devices           Try every device, and say what works here and why the rest does not.
  %axon device [NAME]     Say where models run that name no device; with a name, run them there from now on.
  %axon verbose [on|off]  Show errors with the full traceback, or without it again.
  %axon code NAME         Put the %%axon text of a model into the next cell.
  %axon diff [A [B]]      Say what changed between two models, or since a model's last version.
  %axon undo NAME         Go back to the version of a model before this one, and show it.
  %axon save NAME FILE    Write what fit returned to a file: model, weights, history.
  %axon load FILE NAME    Read such a file, and bind what it holds to a name.

%%axon? explains the cells that make models.
"""


@pytest.mark.parametrize("line", ["%axon", "%axon help", "%axon  help  # please"])
def test_help(notebook, line):
    assert notebook.run(line) == (True, HELP, [])


def test_layers_are_listed_by_family(notebook):
    assert notebook.run("%axon layers")[1] == (
        "combinator\n  input\n\n"
        "linear\n  dense    Do what dense does.\n  flatten  Do what flatten does.\n"
        "  misfit   Do what misfit does.\n  broken   Do what broken does.\n\n"
        "shape\n  reshape  Do what reshape does.\n"
    )
    assert notebook.run("%axon layers shape")[1] == "shape\n  reshape  Do what reshape does.\n"


def test_devices(notebook):
    assert notebook.run("%axon devices") == (True, "CPU works\n", [])


def test_the_device_of_a_session(notebook):
    assert notebook.run("%axon device") == (True, "the default device is CPU\n", [])
    assert notebook.run("%axon device cpu")[1] == "models that name no device run on CPU from now on\n"
    assert "CUDDA" in notebook.fails("%axon device CUDDA")
    assert "one name" in notebook.fails("%axon device CPU CUDA")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "%axon devics",
            "there is no %axon command 'devics'\n  fix: did you mean 'devices' or 'device'?\n"
            "  fix: the %axon commands are: code, device, devices, diff, help, layers, load, save, undo, verbose\n"
            "  fix: a cell that makes a model begins with two: %%axon NAME",
        ),
        (
            "%axon mnist",
            "there is no %axon command 'mnist'\n"
            "  fix: the %axon commands are: code, device, devices, diff, help, layers, load, save, undo, verbose\n"
            "  fix: a cell that makes a model begins with two: %%axon NAME",
        ),
        (
            "%axon layers liner",
            "there is no family 'liner'\n  fix: did you mean 'linear'?\n"
            "  fix: the families are: combinator, linear, shape",
        ),
        (
            "%axon verbose maybe",
            "verbose is on or off, not 'maybe'\n  fix: write %axon verbose on, or %axon verbose off",
        ),
    ],
)
def test_a_command_that_is_wrong_says_so(notebook, line, message):
    assert notebook.fails(line) == f"CellError: {message}"


def test_verbose_brings_the_traceback_and_off_takes_it_away(notebook):
    assert notebook.run("%axon verbose")[1] == "errors show the full traceback\n"
    printed = notebook.fails("%%axon m\nx = 0\n1 / x")
    assert "Traceback (most recent call last)" in printed
    assert "ZeroDivisionError: division by zero" in printed
    assert "----> 3 1 / x" in printed
    assert printed.endswith("CellError: cell line 3: ZeroDivisionError: division by zero\n    1 / x\n    ^^^^^")
    assert notebook.run("%axon verbose off")[1] == "errors show no traceback\n"
    assert "Traceback" not in notebook.fails("%%axon m\nx = 0\n1 / x")
    assert notebook.run("%axon verbose on")[1] == "errors show the full traceback\n"


def test_questions_are_answered(notebook):
    cell, line = (notebook.shell.object_inspect_text(name) for name in ("%%axon", "%axon"))
    assert "%%axon [NAME[(INPUT: SHAPE, ...)]] [--quiet] [--no-diagram] [--unfold] [--check CHECKS]" in cell
    assert '%%axon mnist\ninput((None, 784), name="image")\n| dense(128, activation="relu")' in cell
    for flag in extension.FLAGS:
        assert flag in cell
    assert "%axon layers pooling" in line


def test_unloading_takes_both_magics_away(plain_shell, notebook):
    manager = plain_shell.magics_manager
    assert "axon" in manager.magics["cell"]
    extension.unload(plain_shell)
    assert "axon" not in manager.magics["cell"] | manager.magics["line"]
    assert "AxonMagics" not in manager.registry
    assert "UsageError: Cell magic `%%axon` not found." in notebook.fails("%%axon m\ninput()")
    extension.unload(plain_shell)  # a second time does no harm


def test_loading_again_works(plain_shell, notebook, library):
    extension.load(plain_shell, library)
    assert notebook.run("%%axon m\ninput()")[0]


def test_the_package_of_the_magics_does_not_load_ipython():
    modules = "axon_nb.magic, axon_nb.magic.text, axon_nb.magic.cell, axon_nb.magic.commands"
    code = f"import sys, {modules}; assert 'IPython' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_plain_cell_shows_the_line_too(real):
    said = real.fails("import axon_nb as ax\nm = ax.input((None, 8)) | ax.dense('16')")
    assert said == (
        "OptionError: dense (cell line 2): units must be a whole number of at least 1, got '16'\n"
        "    m = ax.input((None, 8)) | ax.dense('16')\n"
        "                              ^^^^^^^^^^^^^^\n"
        "  fix: write units=16"
    )
    said = real.fails("n = ax.input((None, 8)) | ax.conv(4, 3)\nn.output_shape")
    assert "ShapeError: conv 'conv_0' (cell line 1): needs 3, 4 or 5 axes" in said
    assert "    n = ax.input((None, 8)) | ax.conv(4, 3)\n                              ^^^^^^^^^^^^^\n" in said
    real.run("%axon verbose on")
    assert "Traceback (most recent call last)" in real.fails("ax.dense('16')")
