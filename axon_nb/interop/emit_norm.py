"""Owns the ONNX operators of normalisation."""

from __future__ import annotations

from axon_nb.interop.emit import At, Value, emits, np


@emits("batch_norm")
def _batch_norm(at: At, x: Value) -> str:
    weights = (at.weight(name) for name in ("gamma", "beta", "mean", "variance"))
    y = at.op("BatchNormalization", at.first(x, x.rank), *weights, epsilon=at["epsilon"])
    return at.back(y, x.rank)


def _axes(at: At, x: Value) -> list[int]:
    axis = at["axis"]
    return sorted(one % x.rank for one in ((axis,) if isinstance(axis, int) else axis))


def _trailing(at: At, x: Value, kind: str, *weights: str, epsilon: float) -> str:
    """Write an operator that normalises the last axes; other axes are moved there and back."""
    axes = _axes(at, x)
    order = [one for one in range(x.rank) if one not in axes] + axes
    y = at.op(kind, at.transpose(x, order), *weights, axis=-len(axes), epsilon=epsilon)
    return at.transpose(y, [int(i) for i in np.argsort(order)])


@emits("layer_norm")
def _layer_norm(at: At, x: Value) -> str:
    return _trailing(at, x, "LayerNormalization", at.weight("gamma"), at.weight("beta"), epsilon=at["epsilon"])


@emits("rms_norm")
def _rms_norm(at: At, x: Value) -> str:
    shift = at["shift"]
    gamma = at.weight("gamma", "shifted" * bool(shift), lambda values: values + shift)
    return _trailing(at, x, "RMSNormalization", gamma, epsilon=at["epsilon"])


@emits("group_norm")
def _group_norm(at: At, x: Value) -> str:
    y = at.op(
        "GroupNormalization", at.first(x, x.rank), at.weight("gamma"), at.weight("beta"), num_groups=at["groups"],
        epsilon=at["epsilon"],
    )  # fmt: skip
    return at.back(y, x.rank)


@emits("instance_norm")
def _instance_norm(at: At, x: Value) -> str:
    weights = at.weight("gamma"), at.weight("beta")
    return at.back(at.op("InstanceNormalization", at.first(x, x.rank), *weights, epsilon=at["epsilon"]), x.rank)
