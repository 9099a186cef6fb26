"""Owns metrics: numbers that tell a person how good predictions are.

Know nothing about training. Each takes ``(y_true, y_pred)``, tensors or arrays, and gives one number for all samples
(``.item()`` reads it); in training it is pooled over the epoch, not averaged over batches. Called with options only, a
metric is itself with these options: ``fit(metrics=[metrics.top_k_categorical_accuracy(k=3)])``. They stand in files by
subject.
"""

from axon_nb.functional.class_metrics import accuracy, confusion_matrix, top_k_categorical_accuracy
from axon_nb.functional.count_metrics import (
    f1,
    false_negatives,
    false_positives,
    precision,
    recall,
    sensitivity,
    specificity,
    true_negatives,
    true_positives,
)
from axon_nb.functional.curve_metrics import auc, r2
from axon_nb.functional.losses import (
    binary_cross_entropy,
    categorical_cross_entropy,
    cosine_similarity,
    losses,
    mean_absolute_error,
    mean_squared_error,
)
from axon_nb.functional.metric import Metric, metric, metrics

__all__ = [
    "Metric", "accuracy", "auc", "binary_cross_entropy", "categorical_cross_entropy", "confusion_matrix",
    "cosine_similarity", "f1", "false_negatives", "false_positives", "mean_absolute_error", "mean_squared_error",
    "metric", "metrics", "precision", "r2", "recall", "sensitivity", "specificity", "top_k_categorical_accuracy",
    "true_negatives", "true_positives",
]  # fmt: skip

for _name, _loss in losses.items():
    metrics.add(_name, _loss)
metrics.add("cosine_similarity", cosine_similarity)
