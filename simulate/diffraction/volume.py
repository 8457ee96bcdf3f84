"""The complex field F(q) of one structure on a regular grid, made once and sliced for every pattern.

The grid is sliced with quadratic B-splines (27 voxels per pixel). Such a kernel damps an atom at x by
Π sinc³(x_i h / 2π), h the voxel size; dividing the atom's weight by that factor beforehand undoes it exactly, so the
price of interpolation is paid once per structure. What remains are the kernel's aliases, which bound the voxel size
(`interpolation_error`).

F(−q) = F(q)* for real form factors, so only the half qx >= 0 is kept, with a margin for the kernel.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from frames.files import read_arrays, write_arrays
from simulate.molecules.form_factors import form_factor

Array = NDArray[np.float64]

LEAST_RADIUS = 1.0
"""Of a particle, a single atom, whose electrons reach about so far [Å]."""

SPLINE_MARGIN = 1
"""Voxels that the quadratic kernel reaches beyond the nearest one."""


@dataclass(frozen=True)
class Volume:
    """F(q) [electrons], compensated for the quadratic B-spline that slices it."""

    field: NDArray[np.complex64]
    """(half + 1 + margin, n, n), n = 2 half + 1: qx from −margin·h to half·h, qy and qz from −half·h to half·h."""
    spacing: float
    """Voxel size h [Å⁻¹]."""
    radius: float
    """Largest distance of an atom from the origin [Å]."""
    accuracy: float
    """Relative L2 error allowed in a single hit's intensity."""

    @property
    def n(self) -> int:
        """Voxels along a full edge."""
        return self.field.shape[1]

    @property
    def q_max(self) -> float:
        """Largest |q| that can be sliced [Å⁻¹]."""
        return (self.n // 2 - SPLINE_MARGIN) * self.spacing

    @property
    def oversampling(self) -> float:
        """Voxels per period of the fastest fringe of the particle, 2π / (2 radius h)."""
        return math.pi / (max(self.radius, LEAST_RADIUS) * self.spacing)

    def save(self, path: Path | str) -> None:
        """Write to an .npz file, atomically."""
        write_arrays(path, vars(self))

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a file written by `save`."""
        return cls(**read_arrays(path))


@dataclass(frozen=True)
class VolumeStack:
    """The volumes of several structures in one piece of memory, as the renderers take them."""

    fields: NDArray[np.complex64]
    """One volume's field after the other, flat, and then a few zeros: nodes are read four at a time."""
    offsets: NDArray[np.int64]
    """(structures + 1,) where each begins, and the end."""
    sizes: NDArray[np.int64]
    """(structures,) voxels along a full edge."""
    spacings: Array
    """(structures,) [Å⁻¹]"""
    radii: Array
    """(structures,) [Å]"""
    accuracies: Array
    """(structures,)"""
    q_max: float
    """Largest |q| that all of them reach [Å⁻¹]."""


def stack(volumes: Sequence[Volume]) -> VolumeStack:
    """The volumes in one piece; particles name them by their place."""
    return VolumeStack(
        fields=np.concatenate([*(volume.field.ravel() for volume in volumes), np.zeros(4, np.complex64)]),
        offsets=np.cumsum([0, *(volume.field.size for volume in volumes)]),
        sizes=np.array([volume.n for volume in volumes]),
        spacings=np.array([volume.spacing for volume in volumes]),
        radii=np.array([volume.radius for volume in volumes]),
        accuracies=np.array([volume.accuracy for volume in volumes]),
        q_max=min(volume.q_max for volume in volumes),
    )


def interpolation_error(positions: Array, weights: Array, spacing: float) -> float:
    """Estimated relative L2 error of the intensity sliced from a grid of this spacing [Å⁻¹].

    The kernel's transform repeats every 2π/h, so an atom at x also shows at x ± 2π/h along each axis, with amplitude
    (u / (1 ∓ u))³, u = x h / 2π. The aliases' phases turn once per voxel, so they add to the field like noise:
    ‖δI‖² = ⟨(2 Re F* δF)²⟩ = 2 |F|² |δF|², with |δF|² / |F|² the weighted mean of the squared amplitudes. It errs on
    the large side, about twofold: the aliases weigh the rim of the particle, whose transform is broader than F.

    Parameters
    ----------
    positions : (n_atoms, 3) sample frame [Å].
    weights :   (n_atoms,) electrons per atom.
    """
    u = positions * (spacing / (2 * np.pi))
    if np.abs(u).max() >= 0.5:
        return math.inf
    above, below = np.square(u / (1 - u)), np.square(u / (1 + u))
    squared_amplitudes = (above * above * above + below * below * below).sum(axis=1)
    return math.sqrt(2 * float(np.average(squared_amplitudes, weights=weights)))


def choose_grid(positions: Array, weights: Array, q_max: float, accuracy: float, max_grid: int) -> tuple[float, int]:
    """Coarsest grid that keeps `interpolation_error` within the accuracy.

    The estimate knows nothing of the atoms' own extent. For molecules below a nanometre or two that is too little, and
    whoever hands the volume on must measure it (`stages.volume`).

    Parameters
    ----------
    q_max : largest |q| that will be sliced [Å⁻¹].

    Returns
    -------
    Voxel size [Å⁻¹] and voxels on one side of the origin, margin included.

    Raises
    ------
    ValueError if that takes more than `max_grid` voxels along an edge.
    """
    low, high = 0.0, math.pi / max(float(np.linalg.norm(positions, axis=1).max()), LEAST_RADIUS)
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if interpolation_error(positions, weights, middle) <= accuracy else (low, middle)
    half = math.ceil(q_max / low) + SPLINE_MARGIN if low > 0 else max_grid
    if (n := 2 * half + 1) > max_grid:
        raise ValueError(
            f"an intensity error of {accuracy:g} needs a grid of {n}³ voxels, more than volume.max_grid = {max_grid}; "
            "raise volume.max_grid or volume.accuracy, or look at smaller scattering angles"
        )
    return q_max / (half - SPLINE_MARGIN), half


def electrons(occupancies: Array, species: NDArray[np.int64], coefficients: Array) -> Array:
    """(n_atoms,) electrons of each atom, f(0) times its occupancy; arguments as for `scattering_volume`."""
    return occupancies * coefficients[species, :6].sum(axis=1)


def sufficient_volume(
    positions: Array,
    occupancies: Array,
    species: NDArray[np.int64],
    coefficients: Array,
    *,
    q_max: float,
    accuracy: float,
    max_grid: int,
) -> Volume:
    """The volume on the coarsest grid that is accurate enough; see `choose_grid` and `scattering_volume`.

    Raises
    ------
    ValueError for atoms that together scatter nothing, or from `choose_grid`.
    """
    weights = electrons(occupancies, species, coefficients)
    if not weights.sum() > 0:
        raise ValueError(f"the occupancies of {len(weights)} atoms sum to {occupancies.sum():g}: nothing scatters")
    spacing, half = choose_grid(positions, weights, q_max, accuracy, max_grid)
    return scattering_volume(
        positions, occupancies, species, coefficients, spacing=spacing, half=half, accuracy=accuracy
    )


def check_sampling(radius: float, q_step: float) -> None:
    """Refuse a detector whose pixels cannot resolve the speckle of a single particle.

    The intensity of a particle of diameter D holds fringes up to 2D, so Nyquist asks for q_step <= π/D. Fringes between
    the particles of a multi-hit may be finer: they average out within a pixel, as on a real detector.

    Parameters
    ----------
    radius : of the bounding sphere [Å].
    q_step : change of q across a pixel [Å⁻¹].

    Raises
    ------
    ValueError naming both lengths.
    """
    if 2 * radius > (limit := math.pi / q_step):
        raise ValueError(
            f"the particle is {2 * radius / 10:.1f} nm wide, but the detector's pixels sample only up to "
            f"{limit / 10:.1f} nm; move the detector back, take smaller pixels or a lower photon energy"
        )


def scattering_volume(
    positions: Array,
    occupancies: Array,
    species: NDArray[np.int64],
    coefficients: Array,
    *,
    spacing: float,
    half: int,
    accuracy: float = 1e-3,
    method: Literal["nufft", "separable"] = "nufft",
    device: str = "cpu",
) -> Volume:
    """The compensated field of a structure.

    Parameters
    ----------
    positions :    (n_atoms, 3) sample frame [Å].
    occupancies :  (n_atoms,).
    species :      (n_atoms,) row of `coefficients` of each atom.
    coefficients : (n_species, 11) as from `form_factors.coefficients`.
    spacing :      voxel size [Å⁻¹].
    half :         voxels on one side of the origin.
    accuracy :     relative L2 error that patterns from it may have; the grid itself must be fine enough for it.
    method :       `nufft`: finufft; `separable`: matrix products with torch, on `device`.
    """
    u = positions * (spacing / (2 * np.pi))
    weights = occupancies / np.prod(np.sinc(u), axis=1) ** 3
    phases = 2 * np.pi * u
    index = np.arange(-SPLINE_MARGIN, half + 1), np.arange(-half, half + 1), np.arange(-half, half + 1)
    length = spacing * np.sqrt(sum(axis**2 for axis in np.meshgrid(*index, indexing="ij", sparse=True)))
    field = np.zeros(length.shape, dtype=np.complex64)
    for row in np.unique(species):
        chosen = species == row
        structure_factor = _nufft if method == "nufft" else _separable
        field += form_factor(coefficients[row], length) * structure_factor(
            phases[chosen], weights[chosen], index, device
        )
    radius = float(np.linalg.norm(positions, axis=1).max())
    return Volume(field, spacing, radius, accuracy)


Indices = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def _nufft(phases: Array, weights: Array, index: Indices, device: str) -> NDArray[np.complex64]:
    """Σ_j w_j exp(i k·φ_j) for integer k, by finufft."""
    import finufft

    shape = tuple(len(axis) for axis in index)
    # finufft's modes are centred on zero; turning the strengths shifts them to where ours begin.
    shift = index[0][0] + shape[0] // 2
    strengths = weights * np.exp(1j * shift * phases[:, 0])
    return finufft.nufft3d1(*np.ascontiguousarray(phases.T), strengths, shape, eps=1e-8, isign=1)


def _separable(phases: Array, weights: Array, index: Indices, device: str) -> NDArray[np.complex64]:
    """The same from one-dimensional factors, exp(i k·φ) = Π exp(i k_a φ_a): matrix products over blocks of atoms."""
    import torch

    def factor(axis: int, rows: slice) -> torch.Tensor:
        waves = torch.as_tensor(phases[rows, axis], device=device)[:, None] * torch.as_tensor(
            index[axis], device=device
        )
        return torch.polar(torch.ones_like(waves), waves).to(torch.complex64)

    nx, ny, nz = (len(axis) for axis in index)
    total = torch.zeros((nx, ny * nz), dtype=torch.complex64, device=device)
    block = max(1, 2**24 // (ny * nz))  # atoms at a time, so that a block stays near 128 MB
    for start in range(0, len(weights), block):
        rows = slice(start, start + block)
        strengths = torch.as_tensor(weights[rows], device=device).to(torch.complex64)
        plane = (factor(1, rows)[:, :, None] * factor(2, rows)[:, None, :]).reshape(-1, ny * nz)
        total += (factor(0, rows) * strengths[:, None]).T @ plane
    return total.reshape(nx, ny, nz).cpu().numpy()


def exact_field(
    points: Array, positions: Array, occupancies: Array, species: NDArray[np.int64], coefficients: Array
) -> NDArray[np.complex128]:
    """F at any points q (..., 3) [Å⁻¹] without a grid, relative error near 1e-9; slow: for checks."""
    import finufft

    flat = points.reshape(-1, 3)
    targets = tuple(np.ascontiguousarray(flat[:, axis]) for axis in range(3))
    length = np.linalg.norm(flat, axis=1)
    total = np.zeros(len(flat), dtype=np.complex128)
    for row in np.unique(species):
        chosen = species == row
        sources = tuple(np.ascontiguousarray(positions[chosen, axis]) for axis in range(3))
        waves = finufft.nufft3d3(*sources, occupancies[chosen].astype(np.complex128), *targets, eps=1e-9, isign=1)
        total += form_factor(coefficients[row], length) * waves
    return total.reshape(points.shape[:-1])
