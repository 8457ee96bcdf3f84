"""Single hits of a user's own file, from a few labels.

singlehit virus run0042.cxi --labels labels.csv --out selected

`selected.csv` has a row a frame: `frame` (its index, from 0), `p_single`, `single` (1 where selected), `labelled`.
`selected.cxi` holds the frames that are selected, with their indices in `entry_1/image_1/frame`. Read are CXI files as
spi-em-class takes them: `entry_1/image_1/{data,mask,image_center}`; for others give `--data`, `--mask`, `--centre`.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from frames.files import atomic_path
from frames.formats.spi.labels import read_labels
from train.batches.drawn import labelled
from train.batches.polar_bins import polar_bins
from train.config.single_hits import FindRecipe
from train.tasks.find_single import best_threshold, fit_finder, load_members, log_odds

N_RINGS, N_ANGLES, R_MIN = 26, 72, 6.0
"""Bins that frames are summed in; nothing is read nearer than 6 pixels to the beam."""

LEAST = 4
"""Labels of either kind: a quarter of them decides the threshold, and another tells how often answers are labels."""


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser("singlehit virus", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("frames", type=Path, help="CXI or HDF5 file of frames (n, ny, nx)")
    parser.add_argument(
        "--labels", type=Path, required=True, help="CSV with columns frame (from 0) and single (1 or 0)"
    )
    parser.add_argument("--out", type=Path, required=True, help="where OUT.csv and OUT.cxi are written")
    parser.add_argument("--data", default="entry_1/image_1/data", help="dataset of the frames (default: %(default)s)")
    parser.add_argument("--mask", default="entry_1/image_1/mask", help="dataset of the mask, not 0 where unusable")
    parser.add_argument("--centre", type=float, nargs=2, metavar=("X", "Y"), help="of the beam [pixels], from 0")
    parser.add_argument("--photon", type=float, default=1.0, help="what the file counts for a photon (default: 1)")
    parser.add_argument("--seed", type=int, default=0)
    find(parser.parse_args(argv))
    return 0


def find(given: argparse.Namespace) -> None:
    """Train on the labels, answer for every frame, write both files. ValueError says what is wrong with the input."""
    frames, mask, centre = read_frames(given.frames, given.data, given.mask, given.centre, given.photon)
    labels = read_labels(given.labels, len(frames))
    n_single = int(labels.is_single.sum())
    if min(n_single, len(labels.frames) - n_single) < LEAST:
        raise ValueError(
            f"{given.labels} labels {n_single} single hits and {len(labels.frames) - n_single} others; label at least "
            f"{LEAST} of each"
        )
    bins = polar_bins((frames.shape[1], frames.shape[2]), centre, mask, N_RINGS, N_ANGLES, R_MIN)
    photons = bins.of(frames)
    train, deciding, held = split_labels(labels.frames, labels.is_single, given.seed)
    single = np.zeros(len(frames), bool)
    single[labels.frames] = labels.is_single
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = [labelled(photons[rows], single[rows]) for rows in (train, deciding)]
        fit_finder(parts[0], parts[1], bins.live, FindRecipe(), given.seed, device, folder)
        odds = log_odds(load_members(folder, N_RINGS, device), photons, bins.live)
    threshold = best_threshold(odds[deciding], single[deciding])
    chosen = odds >= threshold
    table = pd.DataFrame(
        {
            "frame": np.arange(len(frames)),
            "p_single": 1 / (1 + np.exp(-odds)),
            "single": chosen.astype(int),
            "labelled": np.isin(np.arange(len(frames)), labels.frames).astype(int),
        }
    )
    with atomic_path(given.out.with_suffix(".csv")) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")
    write_cxi(given.out.with_suffix(".cxi"), frames[chosen], mask, centre, np.flatnonzero(chosen))
    right = int(((odds[held] >= threshold) == single[held]).sum())
    print(f"{given.out.with_suffix('.csv')}: {int(chosen.sum())} of {len(frames)} frames selected")
    print(f"of {len(held)} labelled frames that decided nothing, {right} are answered as labelled")


def read_frames(
    path: Path, data: str, mask: str, centre: list[float] | None, photon: float
) -> tuple[NDArray, NDArray[np.bool_], tuple[float, float]]:
    """Frames (n, ny, nx) photons, mask (ny, nx) True where unusable, centre (x, y) [pixels]."""
    with h5py.File(path) as file:
        if data not in file:
            raise ValueError(f"{path} has no dataset {data}; say with --data where the frames are")
        if mask not in file:
            raise ValueError(f"{path} has no mask {mask}; say with --mask where it is")
        frames, bad = file[data][()], np.asarray(file[mask][()])
        where = data.rsplit("/", 1)[0] + "/image_center"
        if centre is None:
            if where not in file:
                raise ValueError(f"{path} has no {where}; give the beam's place with --centre X Y")
            centre = file[where][()][:2].tolist()
    if frames.ndim != 3 or bad.shape != frames.shape[1:]:
        raise ValueError(f"{path}: frames are {frames.shape}, the mask {bad.shape}; expected (n, ny, nx) and (ny, nx)")
    if not photon > 0:
        raise ValueError(f"--photon is {photon}, expected a positive number")
    if not np.isfinite(frames[:, bad == 0]).all():
        first = int(np.flatnonzero(~np.isfinite(frames[:, bad == 0]).all(1))[0])
        raise ValueError(f"{path}: frame {first} has live pixels that are no numbers; mask them, or leave it out")
    return np.where(bad == 0, frames / photon, 0).astype(np.float32), bad != 0, (float(centre[0]), float(centre[1]))


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


def write_cxi(
    path: Path, frames: NDArray, mask: NDArray[np.bool_], centre: tuple[float, float], index: NDArray[np.int64]
) -> None:
    """Selected frames as spi-em-class reads them, with their indices in the file they are from."""
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file["cxi_version"] = 160
        image = file.create_group("entry_1/image_1")
        image["data"], image["mask"], image["frame"] = frames, mask.astype(np.int32), index
        image["image_center"] = np.array([*centre, 0.0])


if __name__ == "__main__":
    sys.exit(main())
