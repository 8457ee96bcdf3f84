"""Runs of the European XFEL, through extra_data: all modules of one detector, train after train.

`FrameId`: source is the detector's name, run the folder's, train and pulse are the facility's own numbers. A train in
which a module is missing is recorded as missing, pulse by pulse, with the module's number; one without frames once.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screen.sources.files import is_decided_nowhere
from screen.stream.frame import NO_PULSE, Frame, FrameId


class EuropeanXfel:
    """A source of a run folder."""

    lossless = True

    def __init__(self, path: Path | str, *, detector: str | None = None, raw: bool | None = None):
        """A run.

        Parameters
        ----------
        detector : as SPB_DET_AGIPD1M-1; by default the only one of the run.
        raw :      raw data, or corrected ones; by default corrected where there are any.

        Raises
        ------
        ValueError where there is no such detector, or are several. FileNotFoundError; ModuleNotFoundError without
        extra_data.
        """
        import extra_data
        from extra_data.components import identify_multimod_detectors

        self.path = Path(path)
        if not self.path.is_dir():
            raise FileNotFoundError(f"there is no run folder {path}")
        run = extra_data.RunDirectory(str(path))
        found = dict(identify_multimod_detectors(run))
        if detector is None and len(found) == 1:
            detector = next(iter(found))
        if detector not in found:
            raise ValueError(
                f"{path} has the detectors {', '.join(sorted(found)) or 'none'}; name one of these by ?detector="
            )
        self._detector = _opened(found[detector], run, detector, raw)
        self._trains = list(run.train_ids)  # the detector's own are only those that it has frames of
        self._modules = sorted(self._detector.modno_to_source)
        self._n_modules = found[detector].n_modules
        self.name = str(detector)
        self.decided: Callable[[FrameId], bool] = is_decided_nowhere
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Sequence[Frame]]:
        counts = self._detector.frame_counts
        for train in self._trains:
            if self._closed.is_set():
                return
            yield self._train(int(train), int(counts.get(train, 0)))

    def commit(self, ids: Sequence[FrameId]) -> None:
        """Nothing is to be done: the ledger knows."""

    def close(self) -> None:
        """Files are open only while they are read."""
        self._closed.set()

    def _train(self, train: int, n_frames: int) -> list[Frame]:
        import extra_data

        run, now = self.path.resolve().name, time.time()
        whole = FrameId(self.name, run, train, NO_PULSE)
        if self.decided(whole):
            return []
        if not n_frames:
            return [Frame(whole, None, now, "missing: train without frames")]
        try:
            part = self._detector["image.data"].select_trains(extra_data.by_id[[train]])
            pulses = np.unique(part.pulse_id_coordinates())
            ids = [FrameId(self.name, run, train, int(pulse)) for pulse in pulses]
            if all(map(self.decided, ids)):
                return []
            there = (
                [n for n in self._modules if part.modno_to_keydata[n].shape[0]]
                if hasattr(part, "modno_to_keydata")
                else self._modules
            )
            gone = sorted(set(range(self._n_modules)) - set(there))
            if gone:
                named = ", ".join(map(str, gone))
                return [Frame(id, None, now, f"missing: module {named}") for id in ids if not self.decided(id)]
            images = _by_pulse(part.xarray())
        except (OSError, ValueError, KeyError, IndexError) as error:
            return [Frame(whole, None, now, f"unreadable: {error}")]
        pairs = zip(ids, images, strict=True)
        return [Frame(id, np.ascontiguousarray(image), now) for id, image in pairs if not self.decided(id)]


def _opened(kind: Any, run: Any, detector: str | None, raw: bool | None) -> Any:
    """The detector's modules; where nothing is said corrected ones, if there are any.

    Until 2026 corrected data had the names of raw ones, so names alone do not tell.
    """
    from extra_data.exceptions import SourceNameError

    try:
        return kind(run, detector, min_modules=1, raw=raw or False)
    except SourceNameError:
        if raw is False:
            raise ValueError(f"{detector} has no corrected data in this run; leave raw=0 out, or say raw=1") from None
        return kind(run, detector, min_modules=1, raw=True)


def _by_pulse(data: Any) -> NDArray:
    """(pulse, module, slow, fast) of an array with named axes; of raw ones with gains beside, the data."""
    for name in ("data_gain",):
        if name in data.dims:
            data = data.isel({name: 0})
    first = [name for name in ("train_pulse", "train", "pulse", "cell") if name in data.dims]
    rest = [name for name in data.dims if name not in first and name != "module"]
    values = data.transpose(*first, "module", *rest).values
    return values.reshape(-1, *values.shape[len(first) :])
