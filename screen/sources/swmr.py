"""An HDF5 file while it is written, in HDF5's mode of a single writer and several readers (SWMR).

A writer that did not begin that mode has the file locked, and it is said so. One that was killed leaves a file that
only this mode still opens: it is read as far as it was written, and after a silence the source ends.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import h5py

from frames.formats.stacks import DEFAULT_NAMES
from screen.sources.files import TOGETHER, is_decided_nowhere
from screen.stream.frame import Frame, FrameId


class Swmr:
    """A source of a growing dataset."""

    lossless = True

    def __init__(
        self, path: Path | str, dataset: str | None = None, *, poll: float = 0.01, until_idle: float | None = None
    ):
        """A file that is being written; `until_idle`: seconds without growth after which it is taken to be complete.

        FileNotFoundError; ValueError where the writer is not in SWMR mode, or there is no such dataset.
        """
        self.path, self._poll, self._until_idle = Path(path), poll, until_idle
        if not self.path.exists():
            raise FileNotFoundError(f"there is no {path}")
        self.name = self.path.name
        self.decided: Callable[[FrameId], bool] = is_decided_nowhere
        self._closed = threading.Event()
        with self._opened() as file:
            names = DEFAULT_NAMES if dataset is None else (dataset.strip("/"),)
            found = [name for name in names if isinstance(file.get(name), h5py.Dataset)]
            if not found or file[found[0]].ndim < 3:
                raise ValueError(f"{path} has no dataset {' or '.join(names)} of frames; name it by ?dataset=")
            self._dataset = found[0]

    def __iter__(self) -> Iterator[Sequence[Frame]]:
        with self._opened() as file:
            dataset, at, since = file[self._dataset], 0, time.monotonic()
            while not self._closed.is_set():
                dataset.refresh()  # or it never grows
                n = len(dataset)
                if n == at:
                    if self._until_idle is not None and time.monotonic() - since > self._until_idle:
                        return
                    yield []
                    self._closed.wait(self._poll)
                    continue
                since, stop = time.monotonic(), min(n, at + TOGETHER)
                yield self._frames(dataset, range(at, stop))
                at = stop

    def commit(self, ids: Sequence[FrameId]) -> None:
        """Nothing is to be done: the ledger knows."""

    def close(self) -> None:
        """The file is closed where it is iterated."""
        self._closed.set()

    def _frames(self, dataset: h5py.Dataset, rows: range) -> list[Frame]:
        now = time.time()
        ids = [FrameId(self.name, "", row, 0) for row in rows]
        if all(map(self.decided, ids)):
            return []
        try:
            images = dataset[rows.start : rows.stop]
        except OSError as error:  # of a chunk that was cut short
            if len(rows) == 1:
                return [Frame(ids[0], None, now, f"unreadable: {error}")]
            return [frame for row in rows for frame in self._frames(dataset, range(row, row + 1))]
        return [Frame(id, image, now) for id, image in zip(ids, images, strict=True) if not self.decided(id)]

    def _opened(self) -> h5py.File:
        try:
            return h5py.File(self.path, "r", swmr=True)
        except OSError as error:
            raise ValueError(
                f"{self.path} cannot be opened while it is written ({error}): its writer has to create it with "
                "libver='latest' and to set swmr_mode, or give it when it is complete"
            ) from error
