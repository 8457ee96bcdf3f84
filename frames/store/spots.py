"""What lies beside a dataset of crystal frames, and what its names mean.

    <run>/datasets/<name>/                a dataset as any other (frames/store): images of ADU, labels, the card
    <run>/datasets/<name>/spots.parquet   the true spots of all frames, SPOT_COLUMNS
    <run>/datasets/<name>/peaks.parquet   what a peak finder found in them, PEAK_COLUMNS

Labels of the dataset: `hit`, the target of frames/store/hits.py, and `n_spots`, visible spots of the frame. Pixels are
[row, column] = [y, x]; the middle of the first pixel is (0, 0). Rows of both tables are ordered by frame.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from frames.files import read_table, write_table

SPOT_COLUMNS = {
    "frame": ("int32", "row of the dataset"),
    "x": ("float32", "column of the spot's middle [pixel]"),
    "y": ("float32", "row of the spot's middle [pixel]"),
    "photons": ("float32", "expected photons of the whole spot, background not among them"),
    "snr": ("float32", "photons over the deviation of their number where the background is known, expected"),
    "visible": ("bool", "whether it is counted: snr above 6 on live pixels, and no brighter spot on the same pixels"),
}
"""Of spots.parquet: spots down to a signal-to-noise ratio of 1."""

PEAK_COLUMNS = {
    "frame": ("int32", "row of the dataset, or frame of the file"),
    "x": ("float32", "column of the peak's centre of mass [pixel]"),
    "y": ("float32", "row of the peak's centre of mass [pixel]"),
    "intensity": ("float32", "sum over the peak, the local background subtracted [unit of the frame]"),
    "snr": ("float32", "intensity over the deviation that the local background's noise gives such a sum"),
    "n_pixels": ("int32", "pixels summed"),
}
"""Of peaks.parquet."""


def spots_file(dataset: Path) -> Path:
    """The true spots of a dataset, by its folder."""
    return dataset / "spots.parquet"


def peaks_file(dataset: Path) -> Path:
    """The peaks found in a dataset, by its folder."""
    return dataset / "peaks.parquet"


def write_spots(path: Path, table: pd.DataFrame) -> None:
    """Write true spots, atomically. ValueError for other columns."""
    _write(path, table, SPOT_COLUMNS)


def read_spots(path: Path) -> pd.DataFrame:
    """What `write_spots` wrote. FileNotFoundError; ValueError for a damaged file or another table."""
    return _read(path, SPOT_COLUMNS)


def write_peaks(path: Path, table: pd.DataFrame) -> None:
    """Write peaks, atomically. ValueError for other columns."""
    _write(path, table, PEAK_COLUMNS)


def read_peaks(path: Path) -> pd.DataFrame:
    """What `write_peaks` wrote. FileNotFoundError; ValueError for a damaged file or another table."""
    return _read(path, PEAK_COLUMNS)


def counted(table: pd.DataFrame, n_frames: int) -> NDArray[np.int64]:
    """(n_frames,) rows of a table of spots or peaks that each frame has."""
    return np.bincount(table["frame"], minlength=n_frames)


def _write(path: Path, table: pd.DataFrame, columns: dict[str, tuple[str, str]]) -> None:
    _must_have(list(table.columns), columns, path)
    typed = table.astype({name: dtype for name, (dtype, _) in columns.items()})
    write_table(path, pa.Table.from_pandas(typed, preserve_index=False))


def _read(path: Path, columns: dict[str, tuple[str, str]]) -> pd.DataFrame:
    table = read_table(path)
    _must_have(table.column_names, columns, path)
    return table.to_pandas()


def _must_have(found: list[str], columns: dict[str, tuple[str, str]], path: Path) -> None:
    if found != list(columns):
        raise ValueError(f"{path} has the columns {found}, expected {list(columns)}")
