"""Which frames of a file are hits of a crystal, by a network of `sfx.learning`; and these with their peaks as CXI.

singlehit hits run0042.cxi -o hits.csv --cxi hits.cxi

Without --model the network that ships answers (models/crystal_hit), which counts spots and takes frames of any size.
Another sees a square in the middle, as large as it was trained on; frames twice as large or more are binned first,
2 x 2, so that more of a frame is in it.

Pixels that are hot in the first frames are masked, as they were where the network was trained
(`frames/pixels/hot.py`), and said.

A row a frame: its number, the probability of a hit or maybe, whether that is at least the threshold, and its peaks
where these were asked for. A frame that shows nothing (masked, saturated, blank) is told of and given no probability;
nothing is left out of the CSV.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from frames.formats.open import open_frames
from frames.frames import Frames
from frames.pixels.hot import hot_in
from frames.pixels.peaks.config import PeakConfig
from screen.asking import must_be_writable, status, warn, write_rows
from screen.network.crystals import must_take, network_input_of
from train.loop.device import choose_device
from train.progress import progress
from train.tasks.find_hits import TrainedHits, hit_probability, load_hits, predict_logits

COLUMNS = ("frame", "p_hit", "is_hit", "problem")
SHIPPED = Path(__file__).parents[1] / "models" / "crystal_hit" / "model.pt"
"""The network that ships; card.md beside it says what it learned from and what it reaches."""


class Told(NamedTuple):
    """Of one frame."""

    frame: int
    p_hit: float
    """NaN where it shows nothing"""
    problem: str
    """why; empty where there is none"""
    image: NDArray[np.float32]
    """(ny, nx), 0 where masked"""


def told(
    trained: TrainedHits,
    frames: Frames,
    device: torch.device,
    photon_adu: float | None = None,
    hot: NDArray[np.bool_] | None = None,
) -> Iterator[Told]:
    """What is told of each frame, in their order; hot (ny, nx) pixels are masked.

    ValueError where frames are of a size that the network cannot take.
    """
    must_take(trained, frames.shape[1:], frames.source)
    for rows, images, bad in progress(frames.masked_blocks(), f"finding hits in {frames.source}", frames.n_blocks):
        inputs, problems = [], []
        for number, image in enumerate(images):
            live = None if bad is None else ~(bad if bad.ndim == 2 else bad[number])
            if hot is not None and hot.any():
                live = ~hot if live is None else live & ~hot
            try:
                source = f"{frames.source}, frame {rows.start + number}"
                inputs.append(network_input_of(trained, image, live, source, photon_adu))
                problems.append("")
            except ValueError as error:
                problems.append(str(error))
        p = np.full(len(images), np.nan)
        if inputs:
            logits = predict_logits(trained.model, np.stack(inputs), trained.description.recipe, device)
            p[[not problem for problem in problems]] = hit_probability(logits).numpy()
        for number, image in enumerate(images):
            yield Told(rows.start + number, float(p[number]), problems[number], image)


def main(argv: list[str] | None = None) -> int:
    """Command line: which frames of a file are hits."""
    parser = argparse.ArgumentParser(
        prog="singlehit hits",
        description="Say which frames of a file are hits of a crystal, and write them with peaks.",
        epilog="example: singlehit hits results/sfx-small/datasets/ln84 -o hits.csv --cxi hits.cxi\n"
        "by a run's network: singlehit hits results/sfx-small/datasets/ln84 "
        "--model results/sfx-small/models/lo19/ours/shuffled-few-seed0/model.pt -o hits.csv",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("frames", type=Path, help="HDF5, CXI, .emc, Zarr, .npy, or .../datasets/<name>")
    parser.add_argument(
        "--model", type=Path, default=SHIPPED, help="model.pt of a run's network (default: models/crystal_hit)"
    )
    parser.add_argument("--dataset", metavar="NAME", help="of the frames in the file (default: the usual places)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="CSV file to write, a row a frame")
    parser.add_argument("--cxi", type=Path, help="CXI file to write: the hits, and their peaks")
    parser.add_argument("--threshold", type=float, default=0.5, help="probability from which a frame is a hit (0.5)")
    parser.add_argument("--photon-adu", type=float, help="what one photon reads; where pixels have about one or less")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    return status(_run, parser.parse_args(argv))


def _run(arguments: argparse.Namespace) -> None:
    if not 0 < arguments.threshold < 1:
        raise ValueError(f"--threshold is {arguments.threshold}, expected a probability between 0 and 1")
    if arguments.photon_adu is not None and not arguments.photon_adu > 0:
        raise ValueError(f"--photon-adu is {arguments.photon_adu}, expected what one photon reads, above 0")
    outputs = [path for path in (arguments.output, arguments.cxi) if path is not None]
    must_be_writable(outputs, [arguments.frames, arguments.model], overwrite=arguments.overwrite)
    device = choose_device()
    trained = load_hits(arguments.model, device)
    frames = open_frames(arguments.frames, arguments.dataset)
    must_take(trained, frames.shape[1:], frames.source)
    hot = hot_in(frames)
    hits: list[int] = []
    problems: list[str] = []

    def rows() -> Iterator[list[Any]]:
        for one in told(trained, frames, device, arguments.photon_adu, hot.bad):
            is_hit = one.p_hit >= arguments.threshold  # False of NaN
            if is_hit:
                hits.append(one.frame)
            if one.problem:
                problems.append(one.problem)
            p = "" if one.problem else f"{one.p_hit:.6g}"
            yield [one.frame, p, int(is_hit), one.problem]

    write_rows(arguments.output, COLUMNS, rows())
    if arguments.cxi is not None:
        from frames.formats.cxi_peaks import write_cxi_with_peaks
        from screen.peaks import peaks_of

        chosen = frames.take(np.array(hits, np.int64))
        write_cxi_with_peaks(
            chosen, peaks_of(chosen, PeakConfig(photon_adu=arguments.photon_adu), hot.bad), arguments.cxi
        )
    print(f"{arguments.output}: {len(hits)} of {len(frames)} frames are hits; {hot.said}")
    warn(problems[:5])
    if len(problems) > 5:
        warn([f"and {len(problems) - 5} more frames that show nothing: column `problem`"])


if __name__ == "__main__":
    sys.exit(main())
