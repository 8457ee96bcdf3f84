"""Small files of frames as other programs write them, read for screening and for export alike."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from frames.export import open_patterns
from frames.formats.cxi import DETECTOR
from frames.formats.open import open_frames

N, NY, NX = 6, 8, 5
COUNTS = np.random.default_rng(0).poisson(3.0, (N, NY, NX)).astype(np.float32) + 1
DATA = "entry_1/data_1/data"


def refused(path: Path, name: str | None = None) -> str:
    """What screening says, in one line, and export as well."""
    said = []
    for opened in (open_frames, open_patterns):
        with pytest.raises(ValueError) as told:  # noqa: PT011
            opened(path, name=name).read(slice(0, N))
        said.append(str(told.value))
    assert said[0] == said[1]
    assert "\n" not in said[0]
    assert path.name in said[0]
    return said[0]


def read_by_both(path: Path, name: str | None = None, mask_means: str | None = None) -> np.ndarray:
    """All frames, 0 where masked, the same for screening and for export."""
    frames = open_frames(path, name, mask_means)  # type: ignore[arg-type]
    found = frames.read(slice(0, len(frames)))
    patterns = open_patterns(path, name=name, mask_means=mask_means)  # type: ignore[arg-type]
    assert (patterns.shape, patterns.mask_said) == (frames.shape, frames.mask_said)
    rows = slice(0, len(patterns))
    bad = patterns.unusable(rows)
    assert np.array_equal(np.where(False if bad is None else bad, 0, patterns.read_raw(rows)), found)
    return found


def written(path: Path, arrays: dict[str, object]) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return path


def cxi(path: Path, **arrays: object) -> Path:
    """As Cheetah writes it: the detector's data and mask, and links to them."""
    written(path, {"cxi_version": 140, f"{DETECTOR}/data": COUNTS, **{f"{DETECTOR}/{k}": v for k, v in arrays.items()}})
    with h5py.File(path, "a") as file:
        for name in ("data", *arrays):
            file[f"entry_1/data_1/{name}"] = h5py.SoftLink(f"/{DETECTOR}/{name}")
    return path
