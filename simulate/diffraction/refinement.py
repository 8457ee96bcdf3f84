"""Filling in the field of one particle between coarse points of the detector.

Across the detector the complex field of a particle of radius R oscillates by at most w = R |∂q/∂pixel| radians a pixel,
far more slowly than a multi-hit's fringes, for which pixels are made small. So it is sliced from the volume on a coarse
grid of m x m points, from one edge pixel's centre to the other's, and each pixel interpolates between the eight nearest
of a row and of a column:

    F(x) ≈ Σ_k c_k(x) F(x_k),   c minimising  ∫_{-w}^{w} |exp(iωx) − Σ_k c_k exp(iωx_k)|² dω / 2w + ε² Σ_k |c_k|²

the least-squares interpolation of a band-limited function from values that err by ε: its error is known before anything
is rendered, and the faint rim of a pattern is not spoilt by the small errors of its bright middle.
"""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TAPS = 8
"""Coarse points that a pixel is interpolated from, along an axis."""

NOISE = 4.0
"""ε, the relative error of the coarse values, in units of the tolerance."""


@dataclass(frozen=True)
class Refinement:
    """How fields are refined: pixel p of structure s is Σ_k weights[s, p, k] · coarse[first[s, p] + k]."""

    first: NDArray[np.int64]
    """(structures, n_pixels)"""
    weights: NDArray[np.float32]
    """(structures, n_pixels, TAPS)"""
    n_coarse: NDArray[np.int64]
    """(structures,) coarse points along an axis"""


def coarse_places(made: Refinement) -> NDArray[np.float32]:
    """(structures, 2, most²) x and y of the coarse points of each, from the middle of the image [pixels], x slowest.

    Where a structure has fewer than the most, what follows its own n_coarse² points means nothing.
    """
    n_pixels, most = made.first.shape[1], int(made.n_coarse.max())
    places = np.zeros((len(made.n_coarse), 2, most * most), np.float32)
    for structure, n in enumerate(made.n_coarse):
        axis = np.linspace(-(n_pixels - 1) / 2, (n_pixels - 1) / 2, n)
        places[structure, :, : n * n] = np.stack(np.meshgrid(axis, axis, indexing="ij")).reshape(2, -1)
    return places


def refinements(n_pixels: int, bandwidths: tuple[float, ...], tolerances: tuple[float, ...]) -> Refinement:
    """The fewest coarse points for each structure that keep its field within the tolerance.

    Parameters
    ----------
    n_pixels :   along an edge of the image, at least TAPS.
    bandwidths : largest phase per pixel of each field [rad].
    tolerances : relative error of the amplitude, root mean square over the pixels of an axis; no pixel may exceed four
                 times that.
    """
    parts = [_fewest_points(n_pixels, *pair) for pair in zip(bandwidths, tolerances, strict=True)]
    first, weights, n_coarse = (np.stack(arrays) for arrays in zip(*parts, strict=True))
    # In one order whatever it was made of: loops are compiled anew for another.
    return Refinement(first, weights.astype(np.float32, order="C"), n_coarse)


@functools.lru_cache(maxsize=1024)
def _fewest_points(n_pixels: int, bandwidth: float, tolerance: float) -> tuple[NDArray[np.int64], Array, int]:
    for n_coarse in range(TAPS, n_pixels):
        first, weights, errors = _interpolation(n_pixels, n_coarse, bandwidth, NOISE * tolerance)
        if np.sqrt(np.mean(errors**2)) <= tolerance and errors.max() <= 4 * tolerance:
            return first, weights, n_coarse
    # None can be saved: every pixel is its own coarse point.
    first = np.clip(np.arange(n_pixels) - TAPS // 2, 0, n_pixels - TAPS)
    return first, (first[:, None] + np.arange(TAPS) == np.arange(n_pixels)[:, None]).astype(np.float64), n_pixels


def _interpolation(
    n_pixels: int, n_coarse: int, bandwidth: float, noise: float
) -> tuple[NDArray[np.int64], Array, Array]:
    """first, weights and the root mean square error over the band, of each pixel."""
    step = (n_pixels - 1) / (n_coarse - 1)  # pixels between coarse points
    place = np.arange(n_pixels) / step
    first = np.clip(np.floor(place).astype(np.int64) - TAPS // 2 + 1, 0, n_coarse - TAPS)
    x = (place - first)[:, None] - np.arange(TAPS)  # (pixel, tap) distances in coarse steps
    between = np.subtract.outer(np.arange(TAPS), np.arange(TAPS)).astype(np.float64)

    def mean_wave(distance: Array) -> Array:
        """Mean of exp(iω·distance) over the band."""
        return np.sinc(distance * step * bandwidth / np.pi)

    gram, right = mean_wave(between), mean_wave(x)
    weights = np.linalg.solve(gram + noise**2 * np.eye(TAPS), right.T).T.astype(np.float64)
    squared = 1 - 2 * np.sum(weights * right, axis=1) + np.einsum("pk,kl,pl->p", weights, gram, weights)
    return first, weights, np.sqrt(np.maximum(squared, 0))
