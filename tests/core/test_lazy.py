"""Loading: late, without a search for garbage, and with a word for a name that is not there."""

import gc
import subprocess
import sys
import weakref

import pytest

import axon_nb as ax
from axon_nb.layer import LayerType, layer, registry
from axon_nb.lazy import uncollected


class Cycle:
    def __init__(self):
        self.me = self


def test_garbage_is_not_looked_for_meanwhile_and_is_found_afterwards():
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            pass
        assert not gc.isenabled()
        gone = weakref.ref(Cycle())
    assert gc.isenabled()
    assert not gc.get_freeze_count()
    gc.collect()
    assert gone() is None


def test_a_failure_while_loading_leaves_the_collector_on():
    with pytest.raises(ImportError, match="no_such_module"), uncollected():
        import no_such_module  # noqa: F401 - it is not there
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off_and_what_was_frozen_stays_frozen():
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with uncollected():
            pass
        assert gc.get_freeze_count() == frozen
    finally:
        gc.unfreeze()


def test_layers_are_read_when_they_are_first_used():
    code = (
        "from axon_nb.layer import registry\nimport axon_nb as ax, gc\n"
        "read = lambda: [n for n, one in registry.items() if 'declaration' in vars(one)]\n"
        "before = read(); ax.dense(3); print(before, read(), gc.isenabled())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] ['dense'] True\n"


@pytest.mark.parametrize("name", [name for name, one in registry.items() if isinstance(one, LayerType)])
def test_each_layer_can_be_read(name):
    one = registry[name]
    assert one.declaration.name == name == one.__name__
    assert one.declaration.function is one.function
    assert one.declaration.doc == one.__doc__


def test_a_layer_of_ones_own_is_read_at_once():
    with pytest.raises(ax.AxonError, match="takes no tensor"):

        @layer
        def nothing(units: int = 3):
            return units


def test_a_misspelt_name_ends_at_the_users_line_and_says_what_is_near():
    with pytest.raises(AttributeError, match=r"no attribute 'dens'\n  fix: did you mean 'dense'\?") as caught:
        _ = ax.dens
    [text] = caught.value._render_traceback_()
    assert "_ = ax.dens" in text
    assert "__init__.py" not in text
    assert not hasattr(ax, "no_such_thing_at_all")
    with pytest.raises(AttributeError, match=r"has no attribute 'qqqqqq'$"):
        _ = ax.qqqqqq
