"""What ours sees of simulated frames that it learns from beside a person's labels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluate.virus.files import SINGLE
from evaluate.virus.sizes import SizesConfig, measure
from frames.files import read_arrays, write_arrays
from frames.geometry import Geometry
from simulate.virus.config import DetectorConfig, RehearsalConfig
from simulate.virus.rehearsal import rehearsed
from train.batches.drawn import Boxed, labelled
from train.batches.polar_bins import PolarBins


@dataclass(frozen=True)
class Rehearsal:
    """Simulated frames that passed the size filter."""

    polar: NDArray[np.float32]
    """(n, rings, angles) photons"""
    kind: NDArray[np.str_]
    """(n,) what was hit"""

    def write(self, path: Path) -> None:
        """As .npz, atomically."""
        write_arrays(path, {"polar": self.polar, "kind": self.kind})

    @property
    def labelled(self) -> Boxed:
        """As `train.tasks.find_single.fit_finder` takes them."""
        return labelled(self.polar, self.kind == SINGLE)


def read_rehearsal(path: Path) -> Rehearsal:
    """What `Rehearsal.write` wrote. FileNotFoundError; ValueError for a damaged file."""
    return Rehearsal(**read_arrays(path))


def rehearse(
    config: RehearsalConfig,
    geometry: Geometry,
    row_column: tuple[float, float],
    detector: DetectorConfig | None,
    sizes: SizesConfig,
    bins: PolarBins,
) -> Rehearsal:
    """Simulate, and keep what passes the first test of the size filter, as of the frames that are asked about.

    ValueError where no single hit or nothing else is left.
    """
    q, polar, kind = np.linalg.norm(geometry.q, axis=-1), [], []
    for some in rehearsed(config, geometry, detector):
        passed = measure(some.frames, geometry.mask, row_column, q, sizes).right_size
        polar.append(bins.of(some.frames[passed]))
        kind.append(some.kind[passed])
    found = Rehearsal(np.concatenate(polar), np.concatenate(kind))
    singles = int((found.kind == SINGLE).sum())
    if not 0 < singles < len(found.kind):
        raise ValueError(
            f"of {config.shots} simulated shots {singles} single hits and {len(found.kind) - singles} others pass the "
            "size filter, expected some of either: fire more (selection.rehearsal.shots), or look at virus.sizes"
        )
    return found
