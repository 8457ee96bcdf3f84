"""Crystal frames for tests: real ones and a reference where they are at hand, and small datasets."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from simulate.sfx.config import CrystalDatasetConfig

SHARED = Path(os.environ.get("SINGLEHIT_SHARED", Path(__file__).parents[3] / "shared"))
REAL, LABELS = SHARED / "real-frames" / "sfx", SHARED / "cxidb76-labels"

needs_real = pytest.mark.skipif(
    not REAL.exists(), reason=f"no real frames in {REAL}; SINGLEHIT_SHARED names the folder"
)
needs_labels = pytest.mark.skipif(
    not LABELS.exists(), reason=f"no labels in {LABELS}; SINGLEHIT_SHARED names the folder"
)


def config(**sections: dict) -> CrystalDatasetConfig:
    """A small dataset of small frames; sections are laid over it."""
    base: dict = {
        "frames": {"hit": 4, "maybe": 3, "miss": 5},
        "crystal": {"cell": (42, 76, 102, 90, 90, 90), "resolution_A": 2.5, "mosaicity_deg": 0.05},
        "detector": {"n_pixels": 300, "binning": 2},
        "background": {"tape": {}},
    }
    return CrystalDatasetConfig.model_validate({key: {**base.get(key, {}), **sections.get(key, {})} for key in base})


def noise(image: NDArray, good: NDArray[np.bool_], cell: int = 32) -> NDArray[np.float64]:
    """Medians over cells without a peak: variance over mean, autocorrelation one pixel away along columns and rows, and
    diagonally; each cell's own paraboloid taken out."""
    y, x = np.indices((cell, cell)) - cell / 2
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1).reshape(-1, 6)
    found = []
    for row in range(0, image.shape[0] - cell, cell):
        for column in range(0, image.shape[1] - cell, cell):
            part = np.s_[row : row + cell, column : column + cell]
            if not good[part].all():
                continue
            values = image[part].astype(float).ravel()
            left = (values - basis @ np.linalg.lstsq(basis, values, rcond=None)[0]).reshape(cell, cell)
            if np.abs(left).max() > 5.5 * left.std():
                continue
            variance = left.var()
            steps = (left[1:] * left[:-1], left[:, 1:] * left[:, :-1], left[1:, 1:] * left[:-1, :-1])
            found.append([variance / values.mean(), *(step.mean() / variance for step in steps)])
    return np.median(found, axis=0)
