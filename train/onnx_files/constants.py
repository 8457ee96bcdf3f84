"""Smaller ONNX files: matrices of rings, nearly all zeros, written as what they are made of."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

LEAST_BYTES = 100_000
"""Below it a constant is left alone."""


def without_wide_rings(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """The same network, its constants (n, k) with at most one number in a row, all of a column alike, made when it is
    read: a one-hot of the column, times the column's number.

    So is the matrix of the mean over rings (train/models/polar/rings.py), 4 MB for 128 x 128 pixels, twice in a file.
    onnxruntime makes it once, as it opens a file, to the bit.
    """
    from onnx import helper, numpy_helper

    nodes = []
    for node in model.graph.node:
        values = numpy_helper.to_array(node.attribute[0].t) if _is_large(node) else np.zeros(0)
        if (parts := _parts(values)) is None:
            nodes.append(node)
            continue
        name, (column, weights) = node.output[0], parts
        arrays = {
            "column": column,
            "depth": np.array(len(weights), np.int64),
            "bounds": np.array([0, 1], np.float32),
            "weights": weights,
        }
        for key, array in arrays.items():
            model.graph.initializer.append(numpy_helper.from_array(array, f"{name}_{key}"))
        inputs = [f"{name}_{key}" for key in ("column", "depth", "bounds")]
        nodes.append(helper.make_node("OneHot", inputs, [f"{name}_member"], name=f"{name}_one_hot", axis=-1))
        nodes.append(helper.make_node("Mul", [f"{name}_member", f"{name}_weights"], [name], name=f"{name}_mean"))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _is_large(node: "onnx.NodeProto") -> bool:
    if node.op_type != "Constant" or node.attribute[0].name != "value":
        return False
    tensor = node.attribute[0].t
    return len(tensor.dims) == 2 and len(tensor.raw_data) > LEAST_BYTES


def _parts(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """(n,) column of each row's number, the number of columns where it has none, and (k,) these numbers; or None."""
    if values.ndim != 2 or values.dtype != np.float32:
        return None
    there = values != 0
    weights = values.max(axis=0)
    if (there.sum(axis=1) > 1).any() or not np.array_equal(values, there * weights):
        return None
    n, k = values.shape
    # ONNX takes what lies outside of [-k, k) as a row of zeros.
    return np.where(there.any(axis=1), there.argmax(axis=1), k).astype(np.int64).reshape(n), weights.astype(np.float32)
