"""Owns models as data: JSON, ``%%axon`` text, equality, differences and costs.

Knows nothing about notebooks or training.
"""

from axon_nb.lazy import loaded
from axon_nb.serialize.code import code
from axon_nb.serialize.cost import Cost, cost
from axon_nb.serialize.diff import Diff, compare, diff
from axon_nb.serialize.equality import equals
from axon_nb.serialize.reader import from_json
from axon_nb.serialize.writer import to_json

__all__ = ["Cost", "Diff", "code", "compare", "cost", "diff", "equals", "from_json", "to_json"]

loaded("serialize")
