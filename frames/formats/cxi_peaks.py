"""Peak lists of CXI files, as Cheetah, OM and CrystFEL have them: `nPeaks`, `peakXPosRaw`, `peakYPosRaw`.

Places are of whole images, columns and rows counted from the middle of the first pixel; rows are filled up with 0.
"""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from frames.files import atomic_path
from frames.formats.cxi import write_cxi
from frames.formats.hdf5 import open_hdf5
from frames.frames import Frames
from frames.store.spots import PEAK_COLUMNS

RESULT = "entry_1/result_1"
"""Where programs that index look."""

MOST = 2048
"""Peaks of a frame that are written, those of the highest signal-to-noise ratio: what others' readers expect."""

COLUMNS = {
    "peakXPosRaw": "x",
    "peakYPosRaw": "y",
    "peakTotalIntensity": "intensity",
    "peakSNR": "snr",
    "peakNPixels": "n_pixels",
}
OPTIONAL = ("peakTotalIntensity", "peakSNR", "peakNPixels")


def write_cxi_with_peaks(patterns: Frames, peaks: pd.DataFrame, path: Path | str) -> None:
    """Write frames and their peaks, at most `MOST` of each, atomically; with no frame the file holds none.

    Parameters
    ----------
    peaks : PEAK_COLUMNS, `frame` counted in these patterns from 0.

    Raises
    ------
    ValueError for peaks of a frame that is not there.
    """
    n = len(patterns)
    if len(peaks) and not peaks["frame"].between(0, n - 1).all():
        raise ValueError(f"there are peaks of frame {peaks['frame'].max()}, but only {n} frames")
    ranks = peaks.groupby("frame")["snr"].rank(method="first", ascending=False)
    peaks = peaks[ranks <= MOST]
    counts = np.bincount(peaks["frame"], minlength=n)
    place = peaks.groupby("frame").cumcount().to_numpy()
    with atomic_path(path) as temporary:
        write_cxi(patterns, temporary)
        with h5py.File(temporary, "r+") as file:
            result = file.create_group(RESULT)
            result["nPeaks"] = counts.astype(np.int32)
            for name, column in COLUMNS.items():
                values = np.zeros((n, max(int(counts.max(initial=0)), 1)), np.float32)
                values[peaks["frame"].to_numpy(), place] = peaks[column]
                result[name] = values


def read_peak_lists(path: Path | str, result: str = RESULT) -> pd.DataFrame | None:
    """Peaks of a CXI file, a row each, of PEAK_COLUMNS; what a file does not say of them is NaN, or 0 pixels.

    None where the file has no peak lists. ValueError where they do not fit together.
    """
    with open_hdf5(path) as file:
        if f"{result}/nPeaks" not in file:
            return None
        counts = np.asarray(file[f"{result}/nPeaks"][()], np.int64).reshape(-1)
        found = {}
        for name, column in COLUMNS.items():
            if name in file[result]:
                found[column] = np.asarray(file[f"{result}/{name}"][()], np.float64)
            elif name not in OPTIONAL:
                raise ValueError(f"{path} has {result}/nPeaks, but no {name} beside it")
    for column, values in found.items():
        if values.ndim != 2 or len(values) != len(counts) or values.shape[1] < counts.max(initial=0):
            raise ValueError(
                f"{path}: {result} has {column} of shape {values.shape}, expected a row for each of "
                f"{len(counts)} frames, of {counts.max(initial=0)} peaks or more"
            )
    kept = np.arange(max(int(counts.max(initial=0)), 1))[None, :] < counts[:, None]
    table = pd.DataFrame({"frame": np.repeat(np.arange(len(counts)), counts)})
    for name, (dtype, _) in PEAK_COLUMNS.items():
        if name != "frame":
            missing = np.zeros(len(table)) if dtype.startswith("int") else np.full(len(table), np.nan)
            table[name] = (found[name][:, : kept.shape[1]][kept] if name in found else missing).astype(dtype)
    return table.astype({"frame": "int32"})
