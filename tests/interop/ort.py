"""What the tests of ONNX share: models by layer, numbers for their inputs, and a run in onnxruntime."""

import numpy as np


def numbers(rng, shape, dtype):
    return rng.integers(0, 5, shape).astype(dtype) if "int" in dtype else rng.normal(size=shape).astype(dtype)


def data_for(model, batch=3, size=6, seed=0):
    """Draw numbers for each input; sizes that are not known are ``size``."""
    rng = np.random.default_rng(seed)
    return {
        model.names[node]: numbers(
            rng,
            (batch, *(d if isinstance(d, int) else size for d in node.options["shape"][1:])),
            node.options["dtype"],
        )
        for node in model.inputs
    }


def flat(result):
    if isinstance(result, dict):
        result = tuple(result.values())
    return [np.asarray(one) for part in (result if isinstance(result, tuple) else (result,)) for one in [part]]


def run(proto, feeds):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto, options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def shaken(params, seed=1):
    """Weights away from zeros and ones, so that none goes unnoticed; variances stay positive."""
    from tinygrad import Tensor

    rng = np.random.default_rng(seed)

    def shake(path, leaf):
        if "float" not in str(leaf.tensor.dtype):
            return leaf.tensor
        noise = np.asarray(rng.normal(size=leaf.tensor.shape), "float32") * np.float32(0.3)
        values = np.asarray(leaf.tensor.numpy() + noise)
        return Tensor(np.asarray(np.abs(values) + 0.1 if path[-1] == "variance" else values, "float32"))

    return params.map(shake)
