"""Owns advice on models that do not fit: changes that were tried and work.

Errors of shape inference and of wrong numbers of inputs carry them. Knows nothing about notebooks or display.
"""

from axon_nb.advice import arity, features, inputs, joins, sequences, windows  # noqa: F401 - each adds its rules
from axon_nb.advice.arity import find as find_arity
from axon_nb.advice.finding import find

__all__ = ["find", "find_arity"]
