import gc
import weakref

import pytest

from axon_nb.magic.namespace import Namespace


def test_the_user_wins_over_layers_and_the_cell_over_both():
    names = Namespace({"dense": "mine", "x": 1}, {"dense": "layer", "conv": "layer"}, {"x": "input"})
    exec("seen = dense, conv, x, len([1]); dense = 3; again = dense", names)
    assert names["seen"] == ("mine", "layer", "input", 1)
    assert names.assigned() == {"seen": ("mine", "layer", "input", 1), "dense": 3, "again": 3}


def test_inputs_are_parameters_and_stay_the_cells_own():
    user = {}
    names = Namespace(user, {}, {"x": 1})
    exec("x = x + 1\ny = x", names)
    assert names.settle() == {"y": 2}
    assert names["x"] == 2


@pytest.mark.parametrize(
    "code",
    [
        "class A:\n    size = width\nseen = A.size",
        "seen = [width for _ in range(1)][0]",
        "seen = (lambda: width)()",
        "def f():\n    class A:\n        size = width\n    return A.size\nseen = f()",
        "seen = eval('width')",
    ],
)
def test_a_name_means_the_same_everywhere_in_the_cell(code):
    names = Namespace({"width": 7}, {})
    exec(code, names)
    assert names["seen"] == 7


def test_deleting_is_of_the_cell_only():
    user = {"width": 7}
    with pytest.raises(NameError, match="name 'width' is not defined"):
        exec("del width\nwidth", Namespace(user, {}))
    assert user == {"width": 7}


def test_global_statements_work():
    names = Namespace({"count": 1}, {})
    exec("def f():\n    global count\n    count += 1\nf()\nf()\nseen = count", names)
    assert names.assigned()["seen"] == names.assigned()["count"] == 3


def test_functions_of_a_cell_live_on_among_the_users_variables():
    user = {"width": 1, "help_": lambda: "old"}
    names = Namespace(user, {"dense": "layer"})
    exec("def other(): return 1\ndef f(): return width, help_(), other(), dense, len('a'), __name__", names)
    user.update(names.settle())
    assert user["f"]() == (1, "old", 1, "layer", 1, "__main__")
    user.update(width=2, help_=lambda: "new", other=lambda: 2, dense="mine")
    assert user["f"]() == (2, "new", 2, "mine", 1, "__main__")
    del user["dense"], user["width"]
    with pytest.raises(NameError, match="width"):
        user["f"]()


def test_what_the_user_deletes_is_freed():
    class Big:
        pass

    user = {"big": Big()}
    names = Namespace(user, {})
    exec("def f(): return big", names)
    user.update(names.settle())
    alive = weakref.ref(user["big"])
    del user["big"]
    gc.collect()
    assert alive() is None
