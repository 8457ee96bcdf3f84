"""Frames of files: of one, or of a folder that grows while an experiment writes into it.

A file is opened once its size and time of change have not changed for a while, and tried again where it cannot be read
yet; after some trials all that is known of it goes into the ledger as one unreadable record. Folders are polled, as
notices of the system do not reach over NFS. Formats are those of `frames.formats.open.open_frames`. Exactly once: what
is in the ledger already is not read again.

`FrameId`: source is the folder's name, or the file's; run the file's name below the folder; train the frame's number in
the file.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frames.formats.checks import AsStored
from frames.formats.masks import MaskMeans
from frames.formats.open import HDF5_SUFFIXES, open_file, open_frames
from frames.frames import Frames
from screen.stream.frame import NO_PULSE, Frame, FrameId

SUFFIXES = (*HDF5_SUFFIXES, ".npy", ".emc")
"""Of the files of a folder that are looked at"""
TOGETHER = 32
"""Frames of a file that are given at once, at most"""
BYTES_TOGETHER = 64 * 2**20


def is_decided_nowhere(id: FrameId) -> bool:
    """Where there is no ledger."""
    return False


@dataclass(frozen=True)
class Settling:
    """When a file of a growing folder is taken to be whole."""

    poll: float = 0.5
    """[s] between looks at the folder"""
    settled: float = 2.0
    """[s] that its size and time of change have stayed"""
    tries: int = 5
    """before it is unreadable, each after twice the time of the one before"""
    until_idle: float | None = None
    """[s] without a new file after which the folder is taken to be complete; None: it grows for ever"""


@dataclass
class Waiting:
    """A file of a folder that is not done yet."""

    size: int
    changed: float
    since: float
    """of `time.monotonic`, when it was seen like this first"""
    tried: int = 0
    again: float = 0.0
    """of `time.monotonic`, not to be tried before"""


class Files:
    """A source of one file, or of a folder's."""

    lossless = True

    def __init__(
        self,
        path: Path | str,
        name: str | None = None,
        mask_means: MaskMeans | None = None,
        *,
        stored: bool = False,
        settling: Settling | None = None,
    ):
        """A file, or with `settling` a folder that grows. FileNotFoundError; ValueError where it is none.

        name, mask_means : as of `frames.formats.open.open_frames`.
        stored : frames as the detector stores them, of any number of axes, to be folded.
        """
        self.path = Path(path)
        if not self.path.exists():
            raise FileNotFoundError(f"there is no {path}; expected a file of frames, or a folder of such files")
        self._name, self._mask_means, self._stored, self._settling = name, mask_means, stored, settling
        self.name = self.path.name or str(self.path)
        self.decided: Callable[[FrameId], bool] = is_decided_nowhere
        self.alarm: Callable[[str], None] = lambda text: None
        self._closed = threading.Event()
        if settling is None:
            self._open(self.path)

    def __iter__(self) -> Iterator[Sequence[Frame]]:
        if self._settling is None:
            yield from self._frames_of(self._open(self.path), self.path.name)
        else:
            yield from self._of_folder(self._settling)

    def commit(self, ids: Sequence[FrameId]) -> None:
        """Nothing is to be done: the ledger knows."""

    def again(self, ids: Sequence[FrameId]) -> Iterator[Frame]:
        """Frames that it gave before, each with its image, or with a problem where it cannot be read any more."""
        opened: dict[str, Frames | str] = {}
        for id in ids:
            if id.run not in opened:
                try:
                    opened[id.run] = self._open(self.path if self._settling is None else self.path / id.run)
                except (OSError, ValueError) as error:
                    opened[id.run] = str(error)
            frames = opened[id.run]
            if isinstance(frames, str) or not 0 <= id.train < len(frames):
                why = frames if isinstance(frames, str) else f"{id.run} has {len(frames)} frames"
                yield Frame(id, None, time.time(), f"unreadable: {why}")
                continue
            image = self._read(frames, range(id.train, id.train + 1))[0]
            problem = f"unreadable: {image}" if isinstance(image, str) else None
            yield Frame(id, None if isinstance(image, str) else image, time.time(), problem)

    def close(self) -> None:
        """Files are open only while they are read."""
        self._closed.set()

    def _open(self, path: Path) -> Frames:
        if self._stored:
            return open_file(path, self._name, self._mask_means, AsStored(None))
        return open_frames(path, self._name, self._mask_means)

    def _of_folder(self, settling: Settling) -> Iterator[Sequence[Frame]]:
        waiting: dict[Path, Waiting] = {}
        done: set[Path] = set()
        last_new = time.monotonic()
        while not self._closed.is_set():
            now = time.monotonic()
            there = sorted(
                path
                for path in self.path.rglob("*")
                if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
            )
            for path in there:
                if path in done or self._closed.is_set():
                    continue
                try:
                    stat = path.stat()
                except FileNotFoundError:  # moved away since
                    continue
                seen = waiting.get(path)
                if seen is None or (seen.size, seen.changed) != (stat.st_size, stat.st_mtime):
                    waiting[path] = seen = Waiting(stat.st_size, stat.st_mtime, now)
                    last_new = now
                # One that was written long ago need not be watched.
                old = time.time() - stat.st_mtime >= settling.settled
                if (now - seen.since < settling.settled and not old) or now < seen.again:
                    continue
                if (yield from self._one(path, seen, settling)):
                    done.add(path)
                    del waiting[path]
                last_new = now
            yield []
            if settling.until_idle is not None and not waiting and now - last_new >= settling.until_idle:
                return
            self._closed.wait(settling.poll)

    def _one(self, path: Path, seen: Waiting, settling: Settling) -> Generator[Sequence[Frame], None, bool]:
        """The frames of a file, and whether it is done with."""
        run = str(path.relative_to(self.path))
        try:
            frames = self._open(path)
        except (OSError, ValueError) as error:
            seen.tried += 1
            if seen.tried < settling.tries:
                seen.again = time.monotonic() + settling.settled * 2 ** (seen.tried - 1)
                return False
            self.alarm(f"{path} cannot be read: {error}")
            id = FrameId(self.name, run, 0, NO_PULSE)
            if not self.decided(id):
                yield [Frame(id, None, time.time(), f"unreadable: {error}")]
            return True
        yield from self._frames_of(frames, run)
        return True

    def _frames_of(self, frames: Frames, run: str) -> Iterator[Sequence[Frame]]:
        size = int(np.prod(frames.shape[1:])) * 4
        together = max(1, min(TOGETHER, BYTES_TOGETHER // max(size, 1)))
        for start in range(0, len(frames), together):
            if self._closed.is_set():
                return
            rows = range(start, min(start + together, len(frames)))
            ids = [FrameId(self.name, run, row, 0) for row in rows]
            if all(map(self.decided, ids)):
                continue
            now = time.time()
            found = self._read(frames, rows)
            yield [
                Frame(id, None, now, f"unreadable: {image}") if isinstance(image, str) else Frame(id, image, now)
                for id, image in zip(ids, found, strict=True)
                if not self.decided(id)
            ]

    def _read(self, frames: Frames, rows: range) -> list[NDArray | str]:
        """Frames, or why they cannot be read: one by one where they cannot be together."""
        try:
            return list(self._images(frames, slice(rows.start, rows.stop)))
        except (OSError, ValueError) as error:
            if len(rows) == 1:
                return [str(error)]
        return [found for row in rows for found in self._read(frames, range(row, row + 1))]

    def _images(self, frames: Frames, rows: slice) -> NDArray:
        """Values where they are readings, 0 where the file's own mask is."""
        if not self._stored:
            return frames.read(rows)
        stored = np.asarray(frames.fetch(rows))
        if (bad := frames.unusable(rows)) is None:
            return stored
        return np.where(bad, np.zeros((), stored.dtype), stored)
