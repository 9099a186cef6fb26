"""Everything private of tinygrad that the package uses stands in engine/private.py, and exists."""

import ast
import inspect
import re
from pathlib import Path

import pytest
import tinygrad

import axon_nb
from axon_nb.engine import private

PACKAGE = Path(axon_nb.__file__).parent
PATHS = {entry.path for entry in private.TABLE}
LAST_NAMES = {path.rpartition(".")[2] for path in PATHS}


def test_tinygrad_has_everything_we_use():
    moved = private.check()
    assert not moved, "tinygrad was upgraded and these have moved; find what replaced them:\n" + "\n".join(moved)


def test_a_missing_name_is_told(monkeypatch):
    entries = (
        private.Private("tinygrad.Tensor._gone", "x"),
        private.Private("tinygrad.gone.thing", "y"),
        private.Private("tinygrad.engine.jit._TinyJit.gone", "z"),
        private.Private("tinygrad.Tensor._rand", "w", ("key", "salt")),
        private.Private("tinygrad.engine.jit._TinyJit.cnt", "is there"),
    )
    monkeypatch.setattr(private, "TABLE", entries)
    assert [line.partition(":")[0] for line in private.check()] == [e.path for e in entries[:4]]
    assert private.check()[3] == "tinygrad.Tensor._rand: has no parameter salt (used for: w)"
    assert private.main() == 4


def test_the_table_has_no_entry_twice():
    assert len(PATHS) == len(private.TABLE)


def is_public(path):
    """The names of `tinygrad` itself and of `tinygrad.nn` are documented; all else may move at any release."""
    if re.fullmatch(r"tinygrad(\.nn(\.\w+)*)?", path):
        return True
    name = re.fullmatch(r"tinygrad\.([A-Za-z]\w*)", path)
    return name is not None and not inspect.ismodule(getattr(tinygrad, name[1], None))


def used_paths(source):
    """Return what a file imports of tinygrad, and the private attributes that it takes from these."""
    tree = ast.parse(source)
    found, names = set(), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("tinygrad")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tinygrad":
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and re.fullmatch(r"tinygrad\.[\w.]+", str(node.value)):
            found.add(node.value)
    found |= set(names.values())
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names:
            path = f"{names[node.value.id]}.{node.attr}"
            if re.match("_(?!_)", node.attr) or names[node.value.id].endswith((".Ops", ".helpers")):
                found.add(path)
    return {path for path in found if not is_public(path)}


def node_attributes(source):
    """Return what a file takes from the nodes of tinygrad's graph: ``tensor.uop.base`` and ``uop.base``."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            value = node.value
            if (isinstance(value, ast.Attribute) and value.attr == "uop") or (
                isinstance(value, ast.Name) and value.id in ("uop", "UOp")
            ):
                names.add(node.attr)
    return names


FILES = sorted(p for p in PACKAGE.rglob("*.py") if p.name != "private.py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_what_a_file_uses_stands_in_the_table(path):
    source = path.read_text(encoding="utf-8")
    missing = sorted(used_paths(source) - PATHS) + sorted(node_attributes(source) - LAST_NAMES)
    assert not missing, f"{path.name} uses private things of tinygrad: add them to engine/private.py: {missing}"


def test_the_scan_sees_private_uses():
    source = (
        "from tinygrad import Tensor, helpers, TinyJit\nfrom tinygrad.uop.ops import UOp, Ops\nimport tinygrad.device\n"
        "Tensor._rand\nTensor.rand\nhelpers.x\nOps.ADD\nt.uop.arg\nuop.src\nimport_module('tinygrad.runtime.ops_cpu')"
    )
    assert used_paths(source) == {
        "tinygrad.Tensor._rand",
        "tinygrad.helpers",
        "tinygrad.helpers.x",
        "tinygrad.uop.ops.UOp",
        "tinygrad.uop.ops.Ops",
        "tinygrad.uop.ops.Ops.ADD",
        "tinygrad.device",
        "tinygrad.runtime.ops_cpu",
    }
    assert node_attributes(source) == {"arg", "src"}


def test_every_entry_is_used():
    everything = "\n".join(p.read_text(encoding="utf-8") for p in FILES)
    unused = [path for path in PATHS if not re.search(rf"\b{path.rpartition('.')[2]}\b", everything)]
    assert not unused, f"no longer used, take them out of engine/private.py: {unused}"
