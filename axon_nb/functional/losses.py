"""Owns losses: functions of what is true and what was predicted, the smaller the better.

Know nothing about training. Each takes ``(y_true, y_pred)``, tensors or arrays, options, and a reduction over the
samples; called with options only, it is itself with these options: ``fit(loss=losses.huber(delta=2.0))``. They stand in
files by subject.
"""

from axon_nb.functional.amount_losses import (
    cosine_distance,
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_squared_error,
    poisson,
)
from axon_nb.functional.class_losses import (
    apply_label_smoothing,
    binary_cross_entropy,
    categorical_cross_entropy,
    categorical_focal,
    categorical_hinge,
    focal,
    kl_divergence,
    label_smoothing,
)
from axon_nb.functional.loss import Loss, Reduction, loss, losses, one_hot_like, reduce
from axon_nb.functional.margin_losses import hinge, margin_ranking, soft_margin, triplet
from axon_nb.functional.sequence_losses import connectionist_temporal_classification

__all__ = [
    "Loss", "Reduction", "apply_label_smoothing", "binary_cross_entropy", "categorical_cross_entropy",
    "categorical_focal", "categorical_hinge", "connectionist_temporal_classification", "cosine_distance",
    "cosine_similarity", "focal", "hinge", "huber", "kl_divergence", "label_smoothing", "log_cosh", "loss", "losses",
    "margin_ranking", "mean_absolute_error", "mean_squared_error", "one_hot_like", "poisson", "reduce", "soft_margin",
    "triplet",
]  # fmt: skip
