"""Crystal frames for tests: real ones and a reference where they are at hand, and small datasets."""

import os
from pathlib import Path

import pytest

from simulate.sfx.config import CrystalDatasetConfig
from validate.sfx.crystals import noise

__all__ = ["LABELS", "REAL", "config", "needs_labels", "needs_real", "noise"]

SHARED = Path(os.environ.get("SINGLEHIT_SHARED", Path(__file__).parents[4] / "shared"))
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
