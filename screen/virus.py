"""Single hits of a user's own files, from a few labels.

singlehit virus run0042.cxi --labels labels.csv --out found

`found.csv` has a row a frame: `frame` (its number, from 0, through all files), `p_single` (empty where the frame was
left out), `single` (1 where selected), `labelled`; of several files `file` and `row`, too. `found.cxi` holds the frames
that are selected, as spi-em-class reads them, with these numbers in `entry_1/image_1`.

Read is CXI of spi-em-class, which says mask and centre itself, and all else that `singlehit select` reads, with
`--mask` and `--centre`. With `--network FILE.pt` the networks are written, too, for `singlehit screen --model FILE.pt`.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from frames.files import atomic_path
from frames.formats.masks import MASK_HELP, MASK_MEANS
from frames.formats.spi.images import write_images
from frames.formats.spi.labels import Labels, read_labels
from frames.formats.spi.recording import Recording, Said, open_recording
from screen.asking import must_be_writable
from screen.network.virus import Seen, save_selector
from train.batches.drawn import labelled
from train.batches.polar_bins import PolarBins, polar_bins
from train.config.single_hits import FindRecipe
from train.few_shot.logistic import probability
from train.progress import progress
from train.tasks.find_single import best_threshold, fit_finder, load_members, log_odds

N_RINGS, N_ANGLES, R_MIN = 26, 72, 6.0
"""Bins that frames are summed in; nothing is read nearer than 6 pixels to the beam."""

LEAST = 4
"""Labels of either kind: a quarter of them decides the threshold, another tells how often predictions are labels."""


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        "singlehit virus",
        description=(__doc__ or "").split("\n")[0],
        epilog="example: singlehit virus run0042.cxi --labels labels.csv --out found",
    )
    parser.add_argument(
        "frames", type=Path, nargs="+", help="files of frames (n, ny, nx): CXI, HDF5, .npy; several are one run"
    )
    parser.add_argument(
        "--labels", type=Path, required=True, help="CSV with columns frame (from 0) and single (1 or 0), perhaps file"
    )
    parser.add_argument("-o", "--out", type=Path, required=True, help="where OUT.csv and OUT.cxi are written")
    parser.add_argument(
        "--data", metavar="NAME", help="dataset of the frames (default: entry_1/image_k/data, and the usual places)"
    )
    parser.add_argument(
        "--mask", metavar="MASK", help="dataset or .npy file, not 0 where unusable; none: every pixel counts"
    )
    parser.add_argument("--mask-means", choices=tuple(MASK_MEANS), help=MASK_HELP)
    parser.add_argument("--centre", type=float, nargs=2, metavar=("X", "Y"), help="of the beam [pixels], from 0")
    parser.add_argument("--photon", type=float, help="what the file counts for a photon (default: it holds counts)")
    parser.add_argument("--skip", type=int, nargs="+", default=[], metavar="FRAME", help="damaged frames to leave out")
    parser.add_argument("--network", type=Path, metavar="FILE.pt", help="to write what was trained to, to screen by")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    find(parser.parse_args(argv))
    return 0


def find(given: argparse.Namespace) -> None:
    """Train on the labels, predict every frame, write both files. ValueError says what is wrong with the input."""
    table_file, cxi_file = (Path(f"{given.out}{suffix}") for suffix in (".csv", ".cxi"))
    outputs = [table_file, cxi_file] + ([] if given.network is None else [given.network])
    must_be_writable(outputs, [*given.frames, given.labels], overwrite=given.overwrite)
    recording = open_recording(
        given.frames,
        Said(
            given.data, given.mask, given.mask_means, None if given.centre is None else tuple(given.centre),
            given.photon, skip=frozenset(given.skip),
        ),
    )  # fmt: skip
    labels = labels_of(given.labels, recording)
    bins = polar_bins(recording.mask.shape, recording.centre, recording.mask, N_RINGS, N_ANGLES, R_MIN)
    photons = binned(recording, bins)
    left_out = np.isin(np.arange(len(recording)), given.skip)
    train, deciding, held = split_labels(labels.frames, labels.is_single, given.seed)
    single = np.zeros(len(recording), bool)
    single[labels.frames] = labels.is_single
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = [labelled(photons[rows], single[rows]) for rows in (train, deciding)]
        fit_finder(parts[0], parts[1], bins.live, FindRecipe(), given.seed, device, folder)
        members = load_members(folder, N_RINGS, device)
        odds = log_odds(members, photons, bins.live)
    threshold = best_threshold(odds[deciding], single[deciding])
    chosen = (odds >= threshold) & ~left_out
    table = pd.DataFrame(
        {
            "frame": np.arange(len(recording)),
            "p_single": np.where(left_out, np.nan, probability(odds.astype(np.float64))),
            "single": chosen.astype(int),
            "labelled": np.isin(np.arange(len(recording)), labels.frames).astype(int),
        }
    )
    if len(given.frames) > 1:
        table["file"], table["row"] = recording.origin()
    with atomic_path(table_file) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")
    write_chosen(cxi_file, recording, table[chosen])
    if given.network is not None:
        place = float(recording.centre[0]), float(recording.centre[1])
        seen = Seen(recording.mask, place, N_RINGS, N_ANGLES, R_MIN, given.photon or 1.0)
        save_selector(given.network, members, seen)
        # Rounded down, or the frame that the threshold is of would be lost.
        p = np.floor(1e6 * float(probability(np.array([threshold]))[0])) / 1e6
        print(f"{given.network}: singlehit screen SOURCE --model {given.network} --threshold {p:g} --out FOLDER")
    right = int(((odds[held] >= threshold) == single[held]).sum())
    print(f"{table_file}: {int(chosen.sum())} of {len(recording)} frames selected")
    print(f"of {len(held)} labelled frames that decided nothing, {right} are predicted as labelled")


def labels_of(path: Path, recording: Recording) -> Labels:
    """A person's labels of the frames. ValueError for too few of either kind, or of frames that are left out."""
    labels = read_labels(path, len(recording), recording.ranges())
    if both := sorted(set(labels.frames.tolist()) & set(recording.said.skip)):
        raise ValueError(f"{path} labels frame {both[0]}, which is left out; take its line out, or read the frame")
    n_single = int(labels.is_single.sum())
    if min(n_single, len(labels.frames) - n_single) < LEAST:
        raise ValueError(
            f"{path} labels {n_single} single hits and {len(labels.frames) - n_single} others; label at least {LEAST} "
            "of each"
        )
    return labels


def binned(recording: Recording, bins: PolarBins) -> NDArray[np.float32]:
    """(n, rings, angles) photons of all frames, which are read block after block."""
    photons = np.empty((len(recording), bins.n_rings, bins.n_angles), np.float32)
    for rows, frames in progress(recording.blocks(), f"reading {recording.source}", recording.n_blocks):
        photons[rows] = bins.of(frames)
    return photons


def split_labels(
    frames: NDArray[np.int64], single: NDArray[np.bool_], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Labelled frames that are learned from; a quarter of either kind that decides the threshold, another held out."""
    generator, deciding, held = np.random.default_rng(seed), [], []
    for kind in (True, False):
        some = generator.permutation(frames[single == kind])
        quarter = max(1, len(some) // 4)
        deciding.append(some[:quarter])
        held.append(some[quarter : 2 * quarter])
    decide, out = np.sort(np.concatenate(deciding)), np.sort(np.concatenate(held))
    return np.setdiff1d(frames, np.concatenate((decide, out))), decide, out


def write_chosen(path: Path, recording: Recording, table: pd.DataFrame) -> None:
    """The frames of a table, with their numbers and where they are from."""
    wanted = table["frame"].to_numpy()

    def blocks() -> Iterator[tuple[slice, NDArray]]:
        done = 0
        for block in recording.slices():
            here = wanted[(wanted >= block.start) & (wanted < block.stop)]
            if len(here):
                yield slice(done, done + len(here)), recording.read(block)[here - block.start]
                done += len(here)

    beside = {name: table[name].to_numpy() for name in ("frame", "p_single", "row") if name in table}
    if "file" in table:
        beside["file"] = np.array(table["file"].to_list(), "S")
    write_images(path, blocks(), (len(wanted), *recording.mask.shape), recording.mask, recording.centre, beside)


if __name__ == "__main__":
    sys.exit(main())
