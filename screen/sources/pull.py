"""One PULL socket for messages of several makers, each with a decoder of its own; nothing is unpickled.

DECTRIS' Stream V2 (`screen.sources.dectris`): run is the series, train the image. LCLStreamer: each message is a whole
HDF5 file of some frames; a frame is numbered as it came, and the run is when we began to listen.
"""

import io
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from frames.formats.stacks import DEFAULT_NAMES
from screen.sources import dectris
from screen.sources.sockets import Connection
from screen.stream.frame import NO_PULSE, Frame, FrameId

Decoder = Callable[[bytes, float], list[Frame]]
"""From a message and when it arrived to frames; ValueError where it is none"""


class Pull:
    """A source of messages that are pushed to us."""

    lossless = True  # who pushes waits for us
    drains = True

    def __init__(self, endpoint: str, decoder: Decoder, *, silence: float = 10.0):
        """Messages of tcp://host:port."""
        self.name, self._decode = endpoint, decoder
        self.alarm: Callable[[str], None] = lambda text: None
        self._connection = Connection(endpoint, "PULL", silence, lambda text: self.alarm(text))

    def __iter__(self) -> Iterator[Sequence[Frame]]:
        for parts in self._connection:
            if not parts:
                yield []
                continue
            now = time.time()
            try:
                yield self._decode(bytes(parts[-1]), now)
            except Exception as error:  # of whatever somebody sends
                id = FrameId(self.name, "unreadable", time.time_ns(), NO_PULSE)
                yield [Frame(id, None, now, f"unreadable: {error}")]

    def commit(self, ids: Sequence[FrameId]) -> None:
        """Who pushes cannot be told."""

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def by_dectris(source: str) -> Decoder:
    """Of Stream V2: images; what says that a series begins or ends has none."""

    def decoded(message: bytes, now: float) -> list[Frame]:
        found = dectris.decode(message)
        if not isinstance(found, dict) or found.get("type") not in ("start", "image", "end"):
            raise ValueError("no message of DECTRIS' Stream V2: it has no type start, image or end")
        if found["type"] != "image":
            return []
        series = str(found.get("series_unique_id") or found["series_id"])
        id = FrameId(source, series, int(found["image_id"]), 0)
        try:
            return [Frame(id, dectris.image_in(found), now)]
        except ValueError as error:
            return [Frame(id, None, now, f"unreadable: {error}")]

    return decoded


class ByLclstreamer:
    """Of LCLStreamer's HDF5 in memory."""

    def __init__(self, source: str, dataset: str | None = None):
        self._source, self._dataset, self._n = source, dataset, 0
        self._run = time.strftime("%Y%m%dT%H%M%S")

    def __call__(self, message: bytes, now: float) -> list[Frame]:
        import h5py

        try:
            with h5py.File(io.BytesIO(message), "r") as file:
                names = DEFAULT_NAMES if self._dataset is None else (self._dataset.strip("/"),)
                name = next((name for name in names if isinstance(file.get(name), h5py.Dataset)), None)
                if name is None:
                    there: list[str] = []
                    file.visit(there.append)
                    raise ValueError(f"no dataset {' or '.join(names)} in a message with {', '.join(there)}")
                stored: Any = np.asarray(file[name])
        except OSError as error:
            raise ValueError(f"no HDF5 ({error})") from error
        images = stored[None] if stored.ndim == 2 else stored
        frames = [Frame(FrameId(self._source, self._run, self._n + n, 0), image, now) for n, image in enumerate(images)]
        self._n += len(frames)
        return frames
