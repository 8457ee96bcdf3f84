"""The atoms of one molecule: all that later steps know of a structure."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import gemmi
import numpy as np
from numpy.typing import NDArray

from frames.files import read_arrays, write_arrays


@dataclass(frozen=True)
class Atoms:
    """Atoms in the sample frame.

    Raises
    ------
    ValueError where shapes disagree or a number is not finite.
    """

    elements: NDArray[np.str_]
    """(n_atoms,) symbols as in the periodic table: C, Zn."""
    positions: NDArray[np.float64]
    """(n_atoms, 3) [Å]."""
    occupancies: NDArray[np.float64]
    """(n_atoms,) weight of the atom's scattering, 1 for an ordinary atom."""

    def __post_init__(self) -> None:
        n = len(self.elements)
        if self.elements.shape != (n,) or self.positions.shape != (n, 3) or self.occupancies.shape != (n,):
            shapes = [self.elements.shape, self.positions.shape, self.occupancies.shape]
            raise ValueError(f"elements, positions, occupancies have shapes {shapes}, expected (n,), (n, 3), (n,)")
        if not (np.isfinite(self.positions).all() and np.isfinite(self.occupancies).all()):
            raise ValueError("positions and occupancies must be finite")

    def __len__(self) -> int:
        return len(self.elements)

    @property
    def counts(self) -> dict[str, int]:
        """Atoms of each element, most frequent first."""
        return dict(Counter(self.elements.tolist()).most_common())

    @property
    def masses(self) -> NDArray[np.float64]:
        """(n_atoms,) standard atomic weights [Da]."""
        symbols, index = np.unique(self.elements, return_inverse=True)
        return np.array([gemmi.Element(str(symbol)).weight for symbol in symbols])[index]

    @property
    def mass_kDa(self) -> float:
        """Mass of these atoms, whatever their occupancy; hydrogens that are not listed would add some 7.5 %."""
        return float(self.masses.sum()) / 1e3

    @property
    def electrons(self) -> float:
        """Σ Z · occupancy: the field at q = 0."""
        symbols, index = np.unique(self.elements, return_inverse=True)
        numbers = np.array([gemmi.Element(str(symbol)).atomic_number for symbol in symbols])
        return float(numbers[index] @ self.occupancies)

    @property
    def radius(self) -> float:
        """Largest distance of an atom from the origin [Å]."""
        return float(np.linalg.norm(self.positions, axis=1).max())

    @property
    def extent(self) -> float:
        """Largest distance between two atoms [Å]; both lie on the convex hull."""
        from scipy.spatial.distance import pdist  # here and below: as in phantom.py

        # Brute force below 1,000 atoms.
        outermost = self.positions if len(self) < 1000 else _outermost(self.positions)
        return float(pdist(outermost).max(initial=0.0))

    @property
    def radius_of_gyration(self) -> float:
        """Root of the mass-weighted mean square distance from the centre of mass [Å]."""
        centre = np.average(self.positions, axis=0, weights=self.masses)
        return float(np.sqrt(np.average(np.square(self.positions - centre).sum(axis=1), weights=self.masses)))

    def centred(self) -> Self:
        """The same atoms with the origin at their unweighted mean position."""
        return type(self)(self.elements, self.positions - self.positions.mean(axis=0), self.occupancies)

    def save(self, path: Path | str) -> None:
        """Write to an .npz file, atomically."""
        write_arrays(path, vars(self), compress=True)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a file written by `save`."""
        return cls(**read_arrays(path))


def _outermost(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """(k, 3) corners of the convex hull of points (n, 3), which may lie in a plane, on a line or in one place."""
    from scipy.spatial import ConvexHull

    away = positions - positions.mean(axis=0)
    _, lengths, axes = np.linalg.svd(away.T @ away)
    # Squares: what is a millionth as thick as it is long is flat, and flat hulls are made in the plane.
    within = away @ axes[lengths > 1e-12 * lengths[0]].T
    if within.shape[1] == 3:
        return positions[ConvexHull(positions).vertices]
    if within.shape[1] == 2:
        return positions[ConvexHull(within).vertices]
    return positions[[within[:, 0].argmin(), within[:, 0].argmax()]] if within.shape[1] else positions[:1]
