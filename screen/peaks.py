"""Peaks of the frames of a file: how many each has, and a CXI of those that have enough, with their peak lists.

singlehit peaks results/sfx-small/datasets/ln84 -o frames.csv --cxi hits.cxi --at-least 10

One row a frame: `frame` (its index, from 0), `n_peaks`, `hit` (1 where it has `--at-least` so many). Pixels that are
hot in the first frames are masked, and said. What is read: docs/guide/formats.md; how peaks are found:
docs/systems/crystals.md.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError
from tqdm import tqdm

from frames.files import atomic_path, must_be_free
from frames.formats.cxi_peaks import write_cxi_with_peaks
from frames.formats.open import open_frames
from frames.frames import Frames
from frames.pixels.hot import hot_in
from frames.pixels.peaks.config import PeakConfig
from frames.pixels.peaks.finder import Mask, find_in_frames, no_peaks
from frames.store.hits import HIT
from frames.store.spots import PEAK_COLUMNS, counted


def peaks_of(patterns: Frames, config: PeakConfig | None = None, hot: NDArray[np.bool_] | None = None) -> pd.DataFrame:
    """Peaks of all frames, PEAK_COLUMNS; hot (ny, nx) pixels are masked."""
    parts, mask = [no_peaks()], Mask.of(np.ones(patterns.shape[1:], bool))
    blocks = tqdm(patterns.masked_blocks(), patterns.name, patterns.n_blocks, unit="block", disable=None)
    for rows, images, bad in blocks:
        for at, image in enumerate(images):
            own = bad if bad is None or bad.ndim == 2 else bad[at]
            good: NDArray[np.bool_] = np.ones(image.shape, bool) if own is None else ~own
            good = good if hot is None else good & ~hot
            if not np.array_equal(good, mask.good):
                mask = Mask.of(good)
            parts.append(find_in_frames(image[None], mask, config, rows.start + at))
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)[list(PEAK_COLUMNS)]


def main(argv: Sequence[str] | None = None) -> int:
    """Command line: a row for each frame, and a CXI with the hits; the status of the process."""
    parser = argparse.ArgumentParser(
        prog="singlehit peaks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "file", type=Path, help="HDF5, CXI, NeXus, Zarr, .npy, a file of CXIDB-76, or .../datasets/<name>"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("frames.csv"), help="default: %(default)s")
    parser.add_argument("--cxi", type=Path, help="frames that are hits, with their peak lists")
    parser.add_argument("--at-least", type=int, default=HIT, help="fewest peaks of a hit; default: %(default)s")
    parser.add_argument("--dataset", help="name of the frames in the file")
    parser.add_argument("--min-snr", type=float, default=PeakConfig().min_snr, help="default: %(default)s")
    parser.add_argument("--min-pixels", type=int, default=PeakConfig().min_pixels, help="default: %(default)s")
    parser.add_argument("--photon-adu", type=float, help="what one photon reads; where pixels have about one or less")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    given = parser.parse_args(argv)
    try:
        config = PeakConfig(min_snr=given.min_snr, min_pixels=given.min_pixels, photon_adu=given.photon_adu)
    except ValidationError as error:
        raise ValueError(f"--min-snr, --min-pixels or --photon-adu: {error.errors()[0]['msg']}") from error
    must_be_free([path for path in (given.output, given.cxi) if path is not None], overwrite=given.overwrite)
    patterns = open_frames(given.file, given.dataset)
    hot = hot_in(patterns)
    peaks = peaks_of(patterns, config, hot.bad)
    counts = counted(peaks, len(patterns))
    table = pd.DataFrame({"frame": np.arange(len(patterns)), "n_peaks": counts})
    table["hit"] = (counts >= given.at_least).astype(int)
    with atomic_path(given.output) as temporary:
        table.to_csv(temporary, index=False)
    print(f"{int(table['hit'].sum())} of {len(table)} frames have {given.at_least} peaks or more: {given.output}")
    print(hot.said)
    if given.cxi is not None:
        hits = np.flatnonzero(table["hit"])
        if not len(hits):
            raise ValueError(f"no frame has {given.at_least} peaks, so {given.cxi} is not written; lower --at-least")
        own = peaks[peaks["frame"].isin(hits)]
        own = own.assign(frame=np.searchsorted(hits, own["frame"]))
        write_cxi_with_peaks(patterns.take(hits), own, given.cxi)
        print(f"hits with their peak lists: {given.cxi}")
    return 0
