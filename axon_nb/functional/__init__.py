"""Pure functions of tensors: what the layers compute, usable alone.

Know nothing about models, parameters or notebooks. Each public function of a family's file is ``functional.<name>`` by
itself: a new family is one file and one line here. Losses, metrics and initializers keep to their own files.
"""

# ruff: noqa: E402, F403 - what is public is said in the families
from types import FunctionType, ModuleType

from axon_nb.functional.adaptive import *
from axon_nb.functional.attention import *
from axon_nb.functional.combine import *
from axon_nb.functional.conv_recurrent import *
from axon_nb.functional.convolution import *
from axon_nb.functional.dropout import *
from axon_nb.functional.gradient import *
from axon_nb.functional.linear import *
from axon_nb.functional.normalization import *
from axon_nb.functional.pooling import *
from axon_nb.functional.positions import *
from axon_nb.functional.recurrent import *
from axon_nb.functional.resizing import *
from axon_nb.functional.shape import *
from axon_nb.functional.special import *
from axon_nb.functional.transposed import *

from axon_nb.functional.activations import *  # isort: skip - after the file called linear, as one of them is

# The layer of that name applies one; what the star brought under it registers one.
activation = activate  # type: ignore[assignment]  # noqa: F405


def _is_ours(thing: object) -> bool:
    home = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", None)
    return str(home).startswith(f"{__name__}.") and home != f"{__name__}.axes"


# A star brings along what the families import themselves (Tensor, math), which is not theirs to give.
__all__ = [name for name, thing in globals().items() if isinstance(thing, FunctionType) and _is_ours(thing)]
for _name in [name for name, thing in globals().items() if name[0] != "_" and not _is_ours(thing)]:
    del globals()[_name]

from axon_nb.functional import activations, initializers  # noqa: F401 - fill the registries that options choose from
