"""Training: optimizers, schedules, the loop, and what it returns.

Knows nothing about notebooks or widgets.
"""

from axon_nb.lazy import loaded
from axon_nb.training import callbacks, optimizers, schedules
from axon_nb.training import loss_scale as loss_scales
from axon_nb.training.fit import fit
from axon_nb.training.loop import Loop
from axon_nb.training.trained import Trained

__all__ = ["Loop", "Trained", "callbacks", "fit", "loss_scales", "optimizers", "schedules"]

loaded("training")
