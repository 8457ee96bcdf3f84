"""Networks of vectors (B, 1, c, n): largest less least of every row, of every column, or both as two channels."""

import torch
from torch import Tensor, nn

from train.models.hit_finding.layers import HitNetwork, MeanAndMax, classifier

LEAST = 1e-4
"""Of a vector's median: what a row of masked pixels counts as."""


class AboveMedian(nn.Module):
    """Logarithm of a vector's numbers over their median: (B, 1, c, n) -> (B, c, n). No gain and no contrast is left."""

    def forward(self, vectors: Tensor) -> Tensor:
        """0 where a number is the median."""
        vectors = vectors.squeeze(1)
        median = vectors.median(-1, keepdim=True).values.clamp(min=torch.finfo(torch.float32).tiny)
        return (vectors / median).clamp(min=LEAST).log()


def _block(inside: int, outside: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(inside, outside, kernel, padding=kernel // 2),
        nn.BatchNorm1d(outside),
        nn.ReLU(inplace=True),
        nn.MaxPool1d(2),
    )


def rows(channels: int = 1) -> HitNetwork:
    """The 1-D CNN of arXiv 2309.04474, whose layers it does not give.

    Ours: three blocks of convolution, batch normalisation, ReLU and maxima of 2 (12, 16, 24 maps of 5, 3, 3 numbers),
    means and maxima of each map, one hidden layer of 24.
    """
    base = nn.Sequential(
        nn.Sequential(AboveMedian(), *_block(channels, 12, 5)),
        _block(12, 16, 3),
        nn.Sequential(*_block(16, 24, 3), MeanAndMax()),
    )
    return HitNetwork(base, classifier(48, 24), 48)
