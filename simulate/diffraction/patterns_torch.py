"""Patterns with torch, on the CPU or a CUDA device: the same sums as patterns_numba, over whole batches."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from simulate.diffraction.refinement import TAPS, Refinement
from simulate.diffraction.volume import SPLINE_MARGIN, VolumeStack
from simulate.orientation import rotation_matrices
from simulate.plan.shots import Shots

FloatArray = NDArray[np.float32]

PIXELS_AT_ONCE = 2**22
"""Pixels times particles of a batch: some 200 MB of intermediate arrays."""


@dataclass(frozen=True)
class Optics:
    """What patterns of one detector are rendered from, on one device."""

    fields: torch.Tensor
    """flat complex64, as in VolumeStack"""
    offsets: torch.Tensor
    sizes: torch.Tensor
    spacings: torch.Tensor
    """(structures,)"""
    coarse: torch.Tensor
    """(structures, most) where the coarse points lie from the middle of the image [pixels]; the last is repeated."""
    weights: torch.Tensor
    """(structures, n_pixels, most) from coarse points to pixels, zero for those repeated."""
    pixel: float
    live: torch.Tensor
    """(ny, nx)"""

    @classmethod
    def on(
        cls, device: str | torch.device, volumes: VolumeStack, refinements: Refinement, pixel: float, live: FloatArray
    ) -> Self:
        """From numpy arrays; `pixel` is its edge over the distance, `live` (ny, nx)."""
        structures, n_pixels = refinements.first.shape
        most = int(refinements.n_coarse.max())
        number = np.minimum(np.arange(most), refinements.n_coarse[:, None] - 1)
        coarse = (n_pixels - 1) * (number / (refinements.n_coarse[:, None] - 1) - 0.5)
        weights = np.zeros((structures, n_pixels, most), np.float32)
        columns = refinements.first[..., None] + np.arange(TAPS)
        np.put_along_axis(weights, columns, refinements.weights, axis=2)
        return cls(
            fields=torch.as_tensor(volumes.fields, device=device),
            offsets=torch.as_tensor(volumes.offsets[:-1], device=device),
            sizes=torch.as_tensor(volumes.sizes, device=device),
            spacings=torch.as_tensor(volumes.spacings.astype(np.float32), device=device),
            coarse=torch.as_tensor(coarse.astype(np.float32), device=device),
            weights=torch.as_tensor(weights, device=device),
            pixel=pixel,
            live=torch.as_tensor(live, device=device),
        )


def slice_fields(optics: Optics, species: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """F of each particle at points (particles, n, 3) [Å⁻¹], by quadratic B-splines from the half grids; complex64."""
    size = optics.sizes[species][:, None]
    points = points / optics.spacings[species][:, None, None]
    sign = torch.where(points[..., 0] >= 0, 1.0, -1.0)  # the half qx < 0 is not stored: F(−q) = F(q)*
    points = points * sign[..., None]
    points[..., 0] += SPLINE_MARGIN
    points[..., 1:] += (size // 2)[..., None]
    nearest = torch.floor(points + 0.5)
    t = points - nearest
    weights = torch.stack([0.5 * (0.5 - t) ** 2, 0.75 - t**2, 0.5 * (0.5 + t) ** 2])  # (3 nodes, ..., 3 axes)
    node = nearest.to(torch.int64) - 1
    corner = optics.offsets[species][:, None] + (node[..., 0] * size + node[..., 1]) * size + node[..., 2]
    total = torch.zeros(points.shape[:-1], dtype=torch.complex64, device=points.device)
    for a in range(3):
        for b in range(3):
            plane = weights[a, ..., 0] * weights[b, ..., 1]
            for c in range(3):
                total += plane * weights[c, ..., 2] * optics.fields[corner + (a * size + b) * size + c]
    return torch.where(sign > 0, total, total.conj())


def _directions(
    x: torch.Tensor, y: torch.Tensor, pixel: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Unit vectors to points of the detector, x and y from the beam [pixels], and z − 1, which float32 would cancel."""
    x, y = x * pixel, y * pixel
    squared = x * x + y * y
    z = torch.rsqrt(squared + 1)
    return x * z, y * z, z, -squared * z * z / (1 + z)


def render_on_device(
    optics: Optics,
    species: torch.Tensor,
    rotations: torch.Tensor,
    positions: torch.Tensor,
    amplitudes: torch.Tensor,
    wavenumbers: torch.Tensor,
    centres: torch.Tensor,
) -> torch.Tensor:
    """Expected photons (n, ny, nx) of n shots of m particles each; see `patterns.expected_photons`.

    Parameters
    ----------
    species : (n, m). rotations : (n, m, 3, 3). positions : (n, m, 3) [Å]. amplitudes : (n, m).
    wavenumbers : (n,). centres : (n, 2).
    """
    n, m = species.shape
    n_pixels = optics.live.shape[0]
    k = wavenumbers[:, None, None]
    axis = torch.arange(n_pixels, device=optics.live.device) - (n_pixels - 1) / 2
    x, y = (axis - centres[:, :1])[:, None, :], (axis - centres[:, 1:])[:, :, None]
    nx, ny, nz, nz_less_1 = _directions(x, y, optics.pixel)  # (n, ny, nx)
    total = torch.zeros_like(nz)
    before: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    for a in range(m):
        coarse = optics.coarse[species[:, a]]
        cx, cy, _, cz_less_1 = _directions(
            (coarse - centres[:, :1])[:, None, :], (coarse - centres[:, 1:])[:, :, None], optics.pixel
        )
        q = torch.stack([cx, cy, cz_less_1], dim=-1).flatten(1, 2) * k
        values = slice_fields(optics, species[:, a], q @ rotations[:, a])  # q R = Rᵀ q, row by row
        weights = optics.weights[species[:, a]]
        parts = torch.view_as_real(values).movedim(-1, 1).reshape(n, 2, coarse.shape[1], coarse.shape[1])
        fine = weights[:, None] @ parts @ weights[:, None].mT * amplitudes[:, a, None, None, None]
        field = torch.complex(fine[:, 0], fine[:, 1])
        total += fine.square().sum(dim=1)
        if m > 1:
            dx, dy, dz = (positions[:, a, i, None, None] for i in range(3))
            path = nx * dx + ny * dy + nz_less_1 * dz
            along = path + dz
            field = field * torch.polar(torch.ones_like(path), k * path)
            # Half the change of the phase across a pixel, along x and y; torch.sinc(x) = sin(πx)/(πx).
            half_step = k * optics.pixel / (2 * math.pi) * nz
            u, v = half_step * (dx - nx * along), half_step * (dy - ny * along)
            for other, other_u, other_v in before:
                total += 2 * torch.sinc(u - other_u) * torch.sinc(v - other_v) * (field * other.conj()).real
            before.append((field, u, v))
    return (total * nz**3 * (1 - nx * nx) * optics.live).clamp_(min=0)


def render(optics: Optics, shots: Shots, wavenumbers: FloatArray, amplitudes: FloatArray) -> torch.Tensor:
    """Expected photons (n, ny, nx) on the device of the optics; shots of one multiplicity at a time, in batches."""
    device = optics.live.device
    out = torch.zeros((len(shots), *optics.live.shape), device=device)
    multiplicity = np.diff(shots.start)
    for m in np.unique(multiplicity[multiplicity > 0]):
        alike = np.flatnonzero(multiplicity == m)
        at_once = max(1, PIXELS_AT_ONCE // (optics.live.numel() * int(m)))
        for first in range(0, len(alike), at_once):
            chosen = alike[first : first + at_once]
            particles = shots.start[chosen][:, None] + np.arange(m)
            arrays = (
                shots.species[particles],
                rotation_matrices(shots.orientations[particles]).astype(np.float32),
                shots.positions[particles].astype(np.float32),
                amplitudes[particles],
                wavenumbers[chosen],
                shots.beam_centre[chosen].astype(np.float32),
            )
            images = render_on_device(optics, *(torch.as_tensor(array, device=device) for array in arrays))
            out[torch.as_tensor(chosen, device=device)] = images
    return out
