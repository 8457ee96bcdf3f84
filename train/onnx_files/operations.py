"""Operations of torch that its exporter does not know, or writes so that they round worse, in those of ONNX."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def _asinh(graph: Any, x: Any) -> Any:
    return graph.op("Asinh", x)


def _adaptive_average(graph: Any, images: Any, size: Any) -> Any:
    """Mean over equal shares of an image: `size` of them along y and x."""
    shape, wanted = images.type().varyingSizes()[-2:], torch.onnx.symbolic_helper._get_const(size, "is", "size")
    rows, columns = (
        graph.op("Constant", value_t=adaptive_shares(*lengths)) for lengths in zip(shape, wanted, strict=True)
    )
    return graph.op("Einsum", rows, images, columns, equation_s="ry,bcyx,sx->bcrs")


def _mean(graph: Any, values: Any, *how: Any) -> Any:
    """Mean along one axis after the other, of an image by sums of a hundred terms.

    onnxruntime adds all terms of a mean one by one. Photons take few values, so their squares are rounded the same way
    again and again: over an image by 1e-5 of the sum, where torch, which adds in blocks, errs by 1e-7.
    """
    helper = torch.onnx.symbolic_helper
    axes, keepdim = list(range(values.type().dim())), False
    if len(how) == 3:  # axes, keepdim, dtype; of all values at once, dtype alone
        axes, keepdim = helper._get_const(how[0], "is", "dim"), helper._get_const(how[1], "i", "keepdim")
    for axis in axes:
        values = graph.op("ReduceMean", values, axes_i=[axis], keepdims_i=1)
    return values if keepdim else helper._squeeze_helper(graph, values, axes)


WRITTEN: dict[str, Callable] = {"asinh": _asinh, "adaptive_avg_pool2d": _adaptive_average, "mean": _mean}
"""Name of an operation of torch -> what writes it"""


def adaptive_shares(n: int, n_shares: int) -> Tensor:
    """(n_shares, n): row i averages the pixels that the i-th of `n_shares` equal parts of n pixels touches."""
    first = torch.arange(n_shares) * n // n_shares
    end = -(-torch.arange(1, n_shares + 1) * n // n_shares)
    pixel = torch.arange(n)
    inside = (pixel >= first[:, None]) & (pixel < end[:, None])
    return inside / inside.sum(1, keepdim=True)
