"""Asking a network about a file of frames: what all commands that do so share.

Before it predicts, a look at some of the frames and at what the file says of beam and detector tells whether these are
what the network was trained on (`train.inference.domain`). If not, this is said; far from it nothing is predicted,
unless forced.
"""

import argparse
import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from frames.files import atomic_path, must_be_free
from frames.formats.masks import MASK_HELP, MASK_MEANS
from frames.formats.open import open_frames
from frames.frames import Frames
from frames.pixels.folding import open_folded
from frames.pixels.table import load
from train.inference.domain import Domain, Range, Setup
from train.inference.features import FEATURES, measure
from train.inference.shipped import Twin
from train.loop.checkpoint import TrainedModel
from train.progress import progress

LOOKED_AT = 8, 32
"""Places in a file, evenly spread, and frames at each, by which predictions are refused"""

REFUSED = 0.5
"""More than this share of the frames looked at far outside, and none is predicted"""

SAID = 0.05
"""More than this share of all frames outside in a feature, and it is named"""

ALIKE, FAR = 0.05, 0.2
"""Relative differences of beam and detector up to which nothing is said; beyond which, of q, nothing is predicted"""

UNITS = {
    "photon_energy_eV": "photon energy [eV]",
    "distance_mm": "distance [mm]",
    "pixel_size_um": "pixel size [um]",
    "q_step": "step of q across a pixel [1/A]",
}


class Block(NamedTuple):
    """Some of the frames, with what a network predicts."""

    rows: slice
    frames: NDArray[np.float32]
    """(n, ny, nx)"""
    predictions: NDArray[np.float32]
    """(n, k)"""
    in_domain: NDArray[np.bool_] | None
    """(n,) whether they are like what the network was trained on; None where that is not known"""


class Asked:
    """The frames of a file, held against what a network was trained on while it predicts."""

    def __init__(self, trained: Twin | TrainedModel, frames: Frames):
        self.frames = frames
        self.domain = trained.domain
        description = trained.description
        self._trained_on = f"{description.model} was trained on ({description.dataset})"
        self._compared: list[dict[str, NDArray[np.float64]]] = []

    def look(self, *, force: bool) -> list[str]:
        """In what beam and detector differ from the training's, as warnings.

        ValueError, unless it is forced, where they are far from these, or frames looked at are.
        """
        if self.domain is None:
            return []
        differences = differing(self.domain, Setup.of(self.frames.instrument))
        warnings = [f"{self.frames.source}: {text}, not as what {self._trained_on}" for text, _ in differences]
        if not force:
            far = [text for text, (_, is_far) in zip(warnings, differences, strict=True) if is_far]
            if refused := far or self._far():
                raise ValueError(
                    f"{refused[0]}. Train on frames like these (docs/guide/selecting.md), or predict with --force"
                )
        return warnings

    def _far(self) -> list[str]:
        """That too many of some frames of the file are far outside, and in what; nothing where they are not."""
        assert self.domain is not None
        n_places, n_each = LOOKED_AT
        starts = np.unique(np.linspace(0, max(0, len(self.frames) - n_each), n_places).astype(int))
        ends = np.minimum(starts + n_each, [*starts[1:], len(self.frames)])
        compared = _joined([self._compare(self.frames.read(slice(*rows))) for rows in zip(starts, ends, strict=True)])
        is_near = self.domain.near(compared)
        if (share := 1 - is_near.mean()) <= REFUSED:
            return []
        named = "; ".join(unlike(self.domain, compared, Range.near))
        return [
            f"{self.frames.source}: {share:.0%} of {len(is_near)} frames looked at are far from what "
            f"{self._trained_on}: {named}"
        ]

    def predictions(self, predict: Callable[[NDArray], NDArray[np.float32]], doing: str) -> Iterator[Block]:
        """Block after block with the network's predictions (n, k) for frames (n, ny, nx).

        ValueError for frames so bright that the network overflows.
        """
        for rows, frames in progress(self.frames.blocks(), f"{doing} {self.frames.source}", self.frames.n_blocks):
            predictions = predict(frames)
            if not (finite := np.isfinite(predictions).all(axis=1)).all():
                frame = int(np.argmin(finite))
                raise ValueError(
                    f"{self.frames.source}: the network makes no finite number of frame {rows.start + frame}, whose "
                    f"highest pixel is {frames[frame].max():g}; mask pixels that do not count photons"
                )
            in_domain = None
            if self.domain is not None:
                self._compared.append(self._compare(frames))
                in_domain = self.domain.inside(self._compared[-1])
            yield Block(rows, frames, predictions, in_domain)

    def found(self) -> list[str]:
        """What is to be said once all frames were predicted: how many are unlike the training's, and in what."""
        if self.domain is None:
            return [f"nothing is known of the frames that {self._trained_on}: in_domain is empty; train it again"]
        compared = _joined(self._compared)
        if not (n_outside := int((~self.domain.inside(compared)).sum())):
            return []
        n, named = len(self.frames), unlike(self.domain, compared, Range.inside)
        more = f": {'; '.join(named)}" if named else ""
        return [
            f"{self.frames.source}: {n_outside} of {n} frames ({n_outside / n:.1%}) are outside of what "
            f"{self._trained_on}, in_domain 0{more}"
        ]

    def _compare(self, frames: NDArray) -> dict[str, NDArray[np.float64]]:
        assert self.domain is not None
        return self.domain.compared(measure(frames))


def _joined(parts: Sequence[Mapping[str, NDArray]]) -> dict[str, NDArray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def differing(domain: Domain, theirs: Setup) -> list[tuple[str, bool]]:
    """In what beam and detector are not those of the training, and whether that is far, of all that both know."""
    found = []
    for name, what in UNITS.items():
        our, their = getattr(domain.setup, name), getattr(theirs, name)
        if our is not None and their is not None and (apart := abs(their / our - 1)) > ALIKE:
            found.append((f"{what} is {their:.4g}, the training's {our:.4g}", name == "q_step" and apart > FAR))
    ours = domain.setup.masked
    if ours is not None and theirs.masked is not None and not domain.missing and abs(theirs.masked - ours) > ALIKE:
        found.append((f"masked are {theirs.masked:.1%} of the pixels, in training {ours:.1%}", False))
    return found


def unlike(
    domain: Domain, compared: Mapping[str, NDArray], passes: Callable[[Range, NDArray], NDArray[np.bool_]]
) -> list[str]:
    """The features in which many frames do not pass, most first: theirs and the training's."""
    failed = {name: 1 - float(passes(domain.ranges[name], values).mean()) for name, values in compared.items()}
    return [
        f"{FEATURES[name].label} {np.median(compared[name]):.3g} (training {domain.ranges[name].typical:.3g}, "
        f"{domain.ranges[name].low:.3g} to {domain.ranges[name].high:.3g})"
        for name in sorted(failed, key=lambda name: -failed[name])
        if failed[name] > SAID
    ]


def arguments_of(
    prog: str, description: str, model: str, example: str, default: Path | None = None
) -> argparse.ArgumentParser:
    """The arguments that all these commands have; the example is a model and frames.

    default : the model that is asked where none is given; None: one has to be.
    """
    parser = argparse.ArgumentParser(
        prog=prog, description=description, epilog=f"example: {prog} {example} -o frames.csv"
    )
    parser.add_argument("model", type=Path, nargs=None if default is None else "?", default=default, help=model)
    parser.add_argument("frames", type=Path, help="HDF5, CXI, .emc, Zarr, .npy, or .../datasets/<name>")
    parser.add_argument(
        "--dataset", metavar="NAME", help="of the frames in the file (default: CXI's and skopi's places)"
    )
    parser.add_argument("--mask-means", choices=tuple(MASK_MEANS), help=MASK_HELP)
    parser.add_argument(
        "--pixels",
        type=Path,
        metavar="FILE.npz",
        help="table of `singlehit tabulate`, for frames of another detector",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="CSV file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    parser.add_argument(
        "--force", action="store_true", help="predict, too, where frames are far from what the network was trained on"
    )
    return parser


def frames_of(arguments: argparse.Namespace) -> Frames:
    """The frames of the command, folded where a table of pixels is given."""
    if arguments.pixels is None:
        return open_frames(arguments.frames, arguments.dataset, arguments.mask_means)
    return open_folded(arguments.frames, load(arguments.pixels), arguments.dataset, arguments.mask_means)


def status(run: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    """Of a command's process: 0, or 2 where it failed, which is told in a line."""
    try:
        run(arguments)
    except ModuleNotFoundError as error:
        print(f"{error}: install {error.name}, or give the frames as .npy", file=sys.stderr)
        return 2
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: a dataset that is not complete
        print(error, file=sys.stderr)
        return 2
    return 0


def warn(texts: Iterable[str]) -> None:
    """Each in a line of its own."""
    for text in texts:
        print(f"warning: {text}", file=sys.stderr)


def must_be_writable(outputs: Sequence[Path], inputs: Sequence[Path], *, overwrite: bool) -> None:
    """FileExistsError, ValueError as `must_be_free`, and ValueError for an output that is an input, or twice there."""
    for path in outputs:
        if path.resolve() in {other.resolve() for other in inputs}:
            raise ValueError(f"{path} is to be written, but it is read from; choose another name")
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise ValueError(f"{outputs[0]} is to be written twice; choose another name for one of them")
    must_be_free(outputs, overwrite=overwrite)


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A CSV file, as its rows come, atomically."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(rows)


def cells(in_domain: NDArray[np.bool_] | None, n: int) -> list[str]:
    """Of the column `in_domain`: 1 or 0, empty where it is not known."""
    return [""] * n if in_domain is None else [str(int(inside)) for inside in in_domain]
