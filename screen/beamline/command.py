"""Stream a dataset of ours as a beamline would: `singlehit beamline results/demo --rate 3520 --protocol karabo`.

A karabo bridge (protocol 2.2) serves trains of `SPB_SIM/DET/SINGLEHIT:output`: image.data (pulse, y, x), image.pulseId,
image.trainId. What nobody takes in time is lost, as at a beamline, and counted. With `--protocol file` a folder grows
by CXI files, each complete when it appears; with `--protocol swmr` one HDF5 file grows, in SWMR mode.
`--truth` writes what each frame shows, to score decisions by.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from frames.files import write_table
from frames.labels import SPLITS
from frames.store.dataset import Dataset, open_dataset
from screen.beamline.pulses import Plan, Train, images_of, trains
from screen.sinks.open import absent

SOURCE = "SPB_SIM/DET/SINGLEHIT:output"
MOST_IN_MEMORY = 8192
"""Frames that are read beforehand, and streamed in turn"""
FRAMES_A_FILE = 256


def main(argv: list[str] | None = None) -> int:
    """Command line: stream to the end, or until Ctrl-C."""
    arguments = _parser().parse_args(argv)
    try:
        dataset = open_dataset(dataset_folder(arguments.dataset))
        plan = Plan(
            rate=arguments.rate,
            pulses=arguments.pulses,
            n_frames=arguments.frames,
            jitter=arguments.jitter,
            poisoned=arguments.poisoned,
            pause_every=arguments.pause_every,
            pause=arguments.pause,
            seed=arguments.seed,
        )
        rows, patterns = chosen(dataset, arguments.split, plan.n_frames)
        if arguments.truth is not None:
            write_table(arguments.truth, truth(dataset, plan, rows))
        send = SENDERS[arguments.protocol]
        send(plan, rows, patterns, arguments)
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        print(absent(error), file=sys.stderr)
        return 2
    except (OSError, ValueError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="singlehit beamline",
        description=__doc__,
        epilog="example: singlehit beamline results/demo/datasets/noisy --frames 100000 --truth truth.parquet",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dataset", type=Path, help=".../datasets/<name>, or a run that has one dataset alone")
    parser.add_argument("--protocol", choices=tuple(SENDERS), default="karabo", help="(default: karabo)")
    parser.add_argument("--rate", type=float, default=3520.0, help="frames per second (default: 3520)")
    parser.add_argument("--pulses", type=int, default=32, help="frames a train (default: 32)")
    parser.add_argument("--frames", type=int, default=10_000, help="to send (default: 10000)")
    parser.add_argument("--split", choices=(*SPLITS, "all"), default="test", help="of the dataset (default: test)")
    parser.add_argument("--bind", default="tcp://127.0.0.1:45000", help="of karabo (default: tcp://127.0.0.1:45000)")
    parser.add_argument("--pattern", choices=("REP", "PUSH"), default="REP", help="of karabo (default: REP)")
    parser.add_argument("--wait", type=int, default=20, help="trains that wait to be taken (default: 20)")
    parser.add_argument("--folder", type=Path, help="of file and swmr, to write to")
    parser.add_argument("--jitter", type=float, default=0.1, help="of arrivals, in periods of trains (default: 0.1)")
    parser.add_argument("--poisoned", type=float, default=0.0, help="share of trains that are poisoned (default: 0)")
    parser.add_argument("--pause-every", type=float, default=0.0, metavar="S", help="seconds between pauses")
    parser.add_argument("--pause", type=float, default=0.0, metavar="S", help="seconds of a pause")
    parser.add_argument("--truth", type=Path, metavar="FILE.parquet", help="to write what each frame shows")
    parser.add_argument("--seed", type=int, default=0, help="of jitter and poison (default: 0)")
    return parser


def dataset_folder(path: Path) -> Path:
    """The dataset that is meant; ValueError where a run has several."""
    if (path / "layout.json").exists() or not (path / "datasets").is_dir():
        return path
    found = sorted(file.parent for file in (path / "datasets").glob("*/layout.json"))
    if len(found) != 1:
        raise ValueError(f"{path} has {len(found)} datasets; name one, as {path}/datasets/<name>")
    return found[0]


def chosen(dataset: Dataset, split: str, n_frames: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows of a split, at most those that memory holds, and their patterns as the detector reads them."""
    of = slice(0, len(dataset)) if split == "all" else dataset.splits[split]
    rows = slice(of.start, min(of.stop, of.start + min(n_frames, MOST_IN_MEMORY)))
    return np.arange(rows.start, rows.stop), dataset.read(rows)


def truth(dataset: Dataset, plan: Plan, rows: NDArray[np.int64]) -> pa.Table:
    """What each frame that is planned shows: train, pulse, row, hit_multiplicity, poison (or empty)."""
    sent = list(trains(plan, rows))
    row = np.concatenate([train.rows for train in sent])
    poison = [
        train.poison if train.poison and (train.poison != "not finite" or pulse == train.victim) else ""
        for train in sent
        for pulse in range(plan.pulses)
    ]
    return pa.table(
        {
            "train": np.repeat([train.id for train in sent], plan.pulses),
            "pulse": np.tile(np.arange(plan.pulses, dtype="i4"), len(sent)),
            "row": row,
            "hit_multiplicity": dataset.hit_multiplicity[row],
            "poison": poison,
        }
    )


def paced(plan: Plan, rows: NDArray[np.int64], sleep: Callable[[float], None] = time.sleep) -> Iterator[Train]:
    """Trains, each when it is due; nothing is made up for by sending faster than planned."""
    start = time.monotonic()
    for train in trains(plan, rows):
        if (wait := start + train.due - time.monotonic()) > 0:
            sleep(wait)
        yield train


def _karabo(plan: Plan, rows: NDArray[np.int64], patterns: NDArray, arguments: argparse.Namespace) -> None:
    from screen.sinks.outlet import Outlet, message

    outlet = Outlet(arguments.bind, arguments.pattern, arguments.wait)
    print(
        f"a karabo bridge: {outlet.endpoint}, {plan.n_trains} trains of {plan.pulses} at {plan.rate:g} frames/s",
        flush=True,
    )
    try:
        for train in paced(plan, rows):
            if train.poison == "never sent":
                continue
            values: dict[str, object] = {}
            if (images := images_of(train, patterns[train.rows - rows[0]])) is not None:
                values = {
                    "image.data": images,
                    "image.pulseId": np.arange(len(images), dtype="u8"),
                    "image.trainId": np.full(len(images), train.id, "u8"),
                }
            outlet.put(message(train.id, time.time(), {SOURCE: values}))
    finally:
        left = outlet.close(linger=5.0)
        print(f"{outlet.sent} trains were taken, {outlet.dropped + left} were not", flush=True)


def _files(plan: Plan, rows: NDArray[np.int64], patterns: NDArray, arguments: argparse.Namespace) -> None:
    from frames.formats.cxi import write_cxi
    from frames.frames import Frames, Instrument, Label

    folder, name = _folder(arguments), 0
    held: list[tuple[Train, NDArray]] = []

    def write() -> None:
        nonlocal name, held
        images = np.concatenate([shown for _, shown in held])
        ids = np.repeat([train.id for train, _ in held], [len(shown) for _, shown in held])
        labels = {"train": Label(ids), "pulse": Label(np.concatenate([np.arange(len(shown)) for _, shown in held]))}
        shown = Frames("beamline", images.shape, images.dtype, "reading", lambda of: images[of], labels, Instrument())
        write_cxi(shown, folder / f"{name:06d}.cxi")
        name, held = name + 1, []

    for train in paced(plan, rows):
        images = images_of(train, patterns[train.rows - rows[0]])
        if images is None:
            continue
        if held and held[0][1].shape[1:] != images.shape[1:]:
            write()
        held.append((train, images))
        if sum(len(shown) for _, shown in held) >= FRAMES_A_FILE:
            write()
    if held:
        write()


def _swmr(plan: Plan, rows: NDArray[np.int64], patterns: NDArray, arguments: argparse.Namespace) -> None:
    import h5py

    shape = patterns.shape[1:]
    with h5py.File(_folder(arguments) / "beamline.h5", "w", libver="latest") as file:
        data = file.create_dataset("entry/data", (0, *shape), "f4", maxshape=(None, *shape), chunks=(1, *shape))
        file.swmr_mode = True
        for train in paced(plan, rows):
            images = images_of(train, patterns[train.rows - rows[0]])
            if images is None or images.shape[1:] != shape:  # a file has one shape
                continue
            data.resize(len(data) + len(images), axis=0)
            data[-len(images) :] = images
            data.flush()


def _folder(arguments: argparse.Namespace) -> Path:
    if arguments.folder is None:
        raise ValueError(f"--protocol {arguments.protocol} writes files: say where by --folder")
    if arguments.folder.exists() and any(arguments.folder.iterdir()):
        raise FileExistsError(f"{arguments.folder} is not empty; name another folder")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    folder: Path = arguments.folder
    return folder


SENDERS: dict[str, Callable[[Plan, NDArray[np.int64], NDArray, argparse.Namespace], None]] = {
    "karabo": _karabo,
    "file": _files,
    "swmr": _swmr,
}

if __name__ == "__main__":
    sys.exit(main())
