"""Training: optimizers, the loop, and what it returns.

Knows nothing about notebooks or widgets.
"""

from axon_nb.training import optimizers
from axon_nb.training.fit import fit
from axon_nb.training.trained import Trained

__all__ = ["Trained", "fit", "optimizers"]
