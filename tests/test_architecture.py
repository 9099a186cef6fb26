"""What the modules of the package may know of one another, and what importing it may load."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "axon_nb"

LEVELS = (
    "lazy",
    "synonyms",
    "caret",
    "source",
    "errors",
    "shapes",
    "probes",
    "registry",
    "misuse",
    "checks",
    "options",
    "rows",
    "rules",
    "declaration",
    "scope",
    "layer",
    "node",
    "graph",
    "clones",
    "model_function",
    "plugs",
    "policies",
    "trace",
    "surgery",
    "advice",
    "hooks",
    "display",
    "functional",
    "layers",
    "engine",
    "files",
    "params",
    "data",
    "initial",
    "forward",
    "compiled",
    "serialize",
    "training",
    "insight",
    "magic",
    "widgets",
    "interop",
)
"""Modules and packages, lowest first: imports point to what stands before. ``axon_nb/__init__.py`` is above all."""

ONLY_IN = {
    "IPython": {"magic"},
    "ipywidgets": {"widgets"},
    "anywidget": {"widgets"},
    "graphviz": {"display"},
    "graphviz_pure": {"display"},
    "traitlets": {"magic", "widgets"},
    "llvmlite": {"engine"},
}
"""Where a third-party package may be imported at all."""

NEVER_AT_MODULE_LEVEL = {"matplotlib", "graphviz", "graphviz_pure", "tqdm", "sklearn", "torch", "onnx"}

FILES = sorted(PACKAGE.rglob("*.py"))


def level_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path, *, module_level=False):
    """List ``(module, name)`` for each import; ``from axon_nb import data`` names the module ``axon_nb.data``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(_at_import(tree)) if module_level else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            if node.module == "axon_nb":
                yield from (f"axon_nb.{alias.name}" for alias in node.names)
            else:
                yield node.module


def _at_import(node):
    """Walk what runs when the module is imported: not the bodies of functions, not ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _at_import(child)


def test_every_module_has_a_level():
    assert {level_of(path) for path in FILES} - {"__init__"} <= set(LEVELS)


def test_imports_point_to_lower_levels():
    wrong = []
    for path in FILES:
        own = level_of(path)
        for module in imports_of(path):
            first, _, rest = module.partition(".")
            used = rest.split(".")[0]
            if first != "axon_nb" or own == "__init__" or used == own:
                continue
            if used not in LEVELS:
                wrong.append(f"{path.relative_to(PACKAGE)}: import {used!r} from its module, not from axon_nb")
            elif LEVELS.index(used) >= LEVELS.index(own):
                wrong.append(f"{path.relative_to(PACKAGE)} imports {module}, which stands above it")
    assert wrong == []


def test_third_party_packages_stay_where_they_belong():
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {module}, which belongs in {ONLY_IN[module.split('.')[0]]}"
        for path in FILES
        for module in imports_of(path)
        if level_of(path) not in ONLY_IN.get(module.split(".")[0], {level_of(path)})
    ]
    wrong += [
        f"{path.relative_to(PACKAGE)} imports {module} when it is loaded: import it where it is used"
        for path in FILES
        for module in imports_of(path, module_level=True)
        if module.split(".")[0] in NEVER_AT_MODULE_LEVEL
    ]
    assert wrong == []


def test_every_module_says_what_it_owns():
    silent = [
        path.relative_to(PACKAGE)
        for path in FILES
        if path.stat().st_size and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_import_loads_no_notebook_and_no_plotting():
    heavy = ["IPython", "ipywidgets", "anywidget", "matplotlib", "graphviz", "graphviz_pure", "sklearn", "tqdm"]
    code = f"import sys, axon_nb; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_file_names_a_place_on_one_machine():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    places = re.compile(r"(?<![\w.])/(?:home|root|Users|work|opt/v)/\w")
    found = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        try:
            text = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        if path != Path(__file__):
            found += [f"{name}: {line.strip()[:80]}" for line in text.splitlines() if places.search(line)]
    assert found == []
