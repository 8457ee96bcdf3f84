"""Hits of a file as CXI with peak lists, as CrystFEL's indexamajig reads them (`--peaks=cxi`).

entry_1/data_1/data                  (n, ny, nx) float32
entry_1/result_1/nPeaks              (n,)
entry_1/result_1/peakXPosRaw, peakYPosRaw, ...   (n, most), the columns of frames/formats/cxi_peaks.py
entry_1/frame                        (n,) each frame's number in the file that it is from
"""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from frames.files import atomic_path
from frames.formats.cxi import VERSION
from frames.formats.cxi_peaks import COLUMNS, RESULT
from frames.frames import Frames
from frames.pixels.peaks.config import PeakConfig
from frames.pixels.peaks.finder import Mask, find_peaks

MOST = 2048
"""Peaks of a frame that are written, those of the highest signal-to-noise ratio: what others' readers expect."""


def write_hits(frames: Frames, rows: Sequence[int], path: Path, config: PeakConfig | None = None) -> None:
    """Write frames of these rows, and the peaks found in them, atomically. With no row the file holds none."""
    n, (ny, nx) = len(rows), frames.shape[1:]
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file["cxi_version"] = VERSION
        file["number_of_entries"] = 1
        file["entry_1/program_name"] = "singlehit"
        file["entry_1/frame"] = np.asarray(rows, np.int64)
        file["entry_1/source"] = frames.source
        data = file.create_dataset("entry_1/data_1/data", (n, ny, nx), np.float32, chunks=(1, ny, nx) if n else None)
        counts = file.create_dataset(f"{RESULT}/nPeaks", (n,), np.int32)
        lists = {name: file.create_dataset(f"{RESULT}/{name}", (n, MOST), np.float32) for name in COLUMNS}
        for place, row in enumerate(rows):
            one = slice(row, row + 1)
            image = frames.read(one)[0]
            good = np.ones((ny, nx), bool)
            bad = frames.unusable(one)
            if bad is not None:
                good = ~(bad if bad.ndim == 2 else bad[0])
            peaks = find_peaks(image, Mask.of(good), config).head(MOST)
            data[place], counts[place] = image, len(peaks)
            for name, column in COLUMNS.items():
                lists[name][place, : len(peaks)] = peaks[column].to_numpy(np.float32)
