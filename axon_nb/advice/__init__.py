"""Owns advice on models that do not fit: changes that were tried and work.

Importing it makes errors of shape inference carry them. Knows nothing about notebooks or display.
"""

from axon_nb.advice import arity, features, inputs, joins, sequences, windows  # noqa: F401 - each adds its rules
from axon_nb.advice.finding import find
from axon_nb.graph import arity_finders
from axon_nb.trace import finders

finders.append(find)
arity_finders.append(arity.find)
