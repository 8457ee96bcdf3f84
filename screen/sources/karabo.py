"""Trains from a karabo bridge of the European XFEL, protocol 2.2 and 1.0, as msgpack; nothing is unpickled.

A server that dies while we wait for its answer would never be heard of again by a socket that asked (REQ): there is a
new one as soon as the connection is lost, and the operator is told, as of a silence. Several clients of one server
that answers (REP), or pushes, get parts of the trains, each its own. One that publishes (PUB) loses trains without a
word where anything is slow: 25 to 80 % of them were lost in trials, so it takes `--lossy`.

Images of live data are (module, fast, slow, pulse), those of files (pulse, module, slow, fast): they are told apart by
the number of pulses and by the shape that frames are to have. `FrameId.train` is `timestamp.tid`, and the pulse that of
`image.pulseId`, else of `image.cellId`, else its number.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from screen.sources.sockets import Connection
from screen.stream.frame import NO_PULSE, Frame, FrameId

Pattern = Literal["REQ", "PULL", "SUB"]
Axes = Literal["live", "file"]
IMAGES = "image.data", "data.image.pixels", "data.image.data", "data.adc"
"""Properties that hold the images, of multi-module detectors and of cameras"""


class Karabo:
    """A source of a bridge's trains."""

    lossless = False
    drains = True

    def __init__(
        self,
        endpoint: str,
        pattern: Pattern = "REQ",
        *,
        source: str | None = None,
        property: str | None = None,
        axes: Axes | None = None,
        run: str = "",
        frame_shape: tuple[int, ...] | None = None,
        lossy: bool = False,
        silence: float = 10.0,
    ):
        """A client of a bridge.

        Parameters
        ----------
        endpoint : tcp://host:port.
        source, property : that hold the images; by default the one source with one of `IMAGES`.
        axes :    of the images, where they cannot be told apart.
        silence : after which there is an alarm, and a new socket where no connection stands [s].

        Raises
        ------
        ValueError for SUB, unless it is agreed that trains may be lost. ModuleNotFoundError without karabo-bridge.
        """
        if pattern == "SUB" and not lossy:
            raise ValueError(
                f"{endpoint}: a subscriber loses trains without a word (25 to 80 % of them in trials); have the bridge "
                "answer (REP) or push, or agree to it by --lossy"
            )
        if axes not in (None, "live", "file"):
            raise ValueError(f"axes is {axes}, expected live or file")
        from karabo_bridge.serializer import deserialize

        self._deserialize = deserialize
        self._source, self._property, self._axes, self._run = source, property, axes, run
        self._shape = frame_shape
        self.name = source or endpoint
        self.alarm: Callable[[str], None] = lambda text: None
        self._lossy = pattern == "SUB"
        self._connection = Connection(endpoint, pattern, silence, lambda text: self.alarm(text))

    def __iter__(self) -> Iterator[Sequence[Frame]]:
        if self._lossy:
            self.alarm("LOSSY: a bridge that publishes; trains that it loses are in no ledger")
        for parts in self._connection:
            yield self.train_of(parts) if parts else []

    def commit(self, ids: Sequence[FrameId]) -> None:
        """A bridge cannot be told."""

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def train_of(self, parts: Sequence[bytes]) -> list[Frame]:
        """The frames of a message; one that says what is wrong where there are none."""
        now = time.time()
        try:
            if len(parts) % 2 and len(parts) > 1:
                raise ValueError(f"a message of {len(parts)} parts; headers and contents come in pairs")
            data, meta = self._deserialize(list(parts))
            name, key = self._images_in(data)
        except Exception as error:  # of whatever somebody sent
            return [Frame(FrameId(self.name, self._run, time.time_ns(), NO_PULSE), None, now, f"unreadable: {error}")]
        said = meta.get(name, {})
        train, timestamp = int(said.get("timestamp.tid", time.time_ns())), float(said.get("timestamp", now))
        id = FrameId(name, self._run, train, NO_PULSE)
        if key is None:
            return [Frame(id, None, timestamp, "missing: train without frames")]
        stored, values = data[name][key], data[name]
        try:
            pulses = _pulses(values)
            frames = in_order(np.asarray(stored), None if pulses is None else len(pulses), self._axes, self._shape)
        except ValueError as error:
            return [Frame(id, None, timestamp, f"unreadable: {error}")]
        if not len(frames):
            return [Frame(id, None, timestamp, "missing: train without frames")]
        if pulses is None:
            pulses = np.arange(len(frames))
        gone = _absent(values)
        problem = f"missing: module {', '.join(map(str, gone))}" if gone else None
        return [
            Frame(FrameId(name, self._run, train, int(pulse)), None if problem else frame, timestamp, problem)
            for pulse, frame in zip(pulses, frames, strict=True)
        ]

    def _images_in(self, data: Mapping[str, Mapping[str, Any]]) -> tuple[str, str | None]:
        """Source and property; the latter None where it came without. ValueError where it cannot be told which."""
        wanted = IMAGES if self._property is None else (self._property,)
        if self._source is not None:
            if self._source not in data:
                raise ValueError(f"no source {self._source} in a train with {', '.join(data)}")
            return self._source, next((key for key in wanted if key in data[self._source]), None)
        found = [(name, key) for name, values in data.items() for key in wanted if key in values]
        if len(found) == 1:
            return found[0]
        if not found and len(data) == 1:
            return next(iter(data)), None
        raise ValueError(
            f"{len(found)} sources with images in a train with {', '.join(sorted(data))}; name one by ?source="
        )


def _pulses(values: Mapping[str, Any]) -> NDArray | None:
    for key in ("image.pulseId", "image.cellId"):
        if isinstance(found := values.get(key), np.ndarray):
            pulses = found.reshape(-1)
            # What is not unique names no frame.
            return pulses if len(np.unique(pulses)) == len(pulses) else np.arange(len(pulses))
    return None


def _absent(values: Mapping[str, Any]) -> list[int]:
    """Modules that the bridge says did not come."""
    present = values.get("modulesPresent")
    return [] if present is None else [n for n, is_there in enumerate(present) if not is_there]


def in_order(stored: NDArray, n_pulses: int | None, axes: Axes | None, frame_shape: tuple[int, ...] | None) -> NDArray:
    """(pulses, modules, slow, fast), or (pulses, slow, fast), of images as a bridge sends them.

    Parameters
    ----------
    n_pulses :    that the train says it has; None where it does not say.
    frame_shape : that frames are to have, (modules, slow, fast) or (slow, fast).

    Raises
    ------
    ValueError where live and file order cannot be told apart.
    """
    if stored.ndim == 2:
        return stored[None]
    if stored.ndim not in (3, 4):
        raise ValueError(f"images of shape {stored.shape}, expected 2 to 4 axes")
    live = np.moveaxis(stored, -1, 0).swapaxes(-1, -2)
    turned = {"file": stored, "live": live}
    if axes is not None:
        return turned[axes] if axes == "file" else np.ascontiguousarray(live)
    fits = [
        name
        for name, frames in turned.items()
        if (n_pulses is None or len(frames) == n_pulses) and (frame_shape is None or frames.shape[1:] == frame_shape)
    ]
    # One frame of several modules has the axes of several frames of one.
    if not fits and n_pulses in (None, 1) and frame_shape == stored.shape:
        return stored[None]
    if not fits and n_pulses is not None:
        fits = [name for name, frames in turned.items() if len(frames) == n_pulses]
    if len(fits) != 1:
        raise ValueError(
            f"images of shape {stored.shape} in a train of {'unknown' if n_pulses is None else n_pulses} pulses: live "
            "and file order cannot be told apart; say which by ?axes=live or ?axes=file"
            if fits
            else f"images of shape {stored.shape} are not of {n_pulses} pulses"
            + ("" if frame_shape is None else f" of {' x '.join(map(str, frame_shape))} pixels")
        )
    return stored if fits[0] == "file" else np.ascontiguousarray(live)
