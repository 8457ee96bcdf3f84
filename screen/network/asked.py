"""What is done with some frames at once, in a worker: checked, folded, predicted; of what is no frame, why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frames.pixels.table import NOWHERE, Folder, PixelTable
from screen.network.network import Network, Predict
from train.inference.features import measure

Ask = Callable[[Predict, NDArray[np.float32]], NDArray[np.float64]]
"""How a network is asked about images: at once, or when it has answered others (`screen.network.askers`)"""


def at_once(predict: Predict, images: NDArray[np.float32]) -> NDArray[np.float64]:
    """In the thread that asks."""
    return predict(images)


@dataclass(frozen=True)
class Predictions:
    """About n frames."""

    p: NDArray[np.float64]
    """(n,) probability to be kept; NaN where there is a problem"""
    problems: list[str | None]
    """(n,) `missing...` or `unreadable...` of what is no frame"""
    in_domain: list[bool | None]
    """(n,) of those that `look` names"""
    images: NDArray[np.float32] | None
    """(n, ny, nx) as the network saw them, NaN where it saw none; None where it saw none at all"""


class Asking:
    """Frames as sources give them, asked of a network. Threads may share one."""

    def __init__(self, network: Network, table: PixelTable | None = None, *, nan_is_masked: bool = False):
        """With a table frames are folded; without, they are to be of the network's size.

        nan_is_masked : pixels that are no numbers add nothing, in place of a frame being unreadable.

        ValueError where the table's images are not of the network's size, or the table needs masks beside the frames.
        """
        self.network, self.table, self._nan_is_masked = network, table, nan_is_masked
        self._folder = None if table is None else Folder(table)
        self._nowhere = None
        self.shape: tuple[int, ...] = network.image_shape if table is None else table.frame_shape
        """That frames are to have."""
        if table is None:
            return
        network.must_take((table.n_pixels, table.n_pixels), "images of the table of pixels")
        if table.mask is not None:
            raise ValueError(
                "the table of pixels takes a mask from beside the frames, which a stream has not; make one without, "
                "and with the bad pixels in its geometry"
            )
        self._nowhere = table.target == NOWHERE

    def warm_up(self) -> None:
        """Compile and allocate before the first frame comes, not while it waits."""
        for dtype in (np.uint16, np.float32) if self._folder else (np.float32,):
            for n in (1, 8):
                self.predict([np.zeros(self.shape, dtype)] * n, [True] * n)

    def fits(self, image: NDArray) -> str | None:
        """Why this cannot be a frame, or None."""
        if not isinstance(image, np.ndarray) or image.dtype.kind not in "uifb":
            return f"unreadable: values are {getattr(image, 'dtype', type(image).__name__)}"
        if image.shape != self.shape:
            if not image.size:
                return "unreadable: empty"
            found, expected = (" x ".join(map(str, shape)) for shape in (image.shape, self.shape))
            return f"unreadable: {found} pixels in place of {expected}"
        return None

    def predict(self, frames: Sequence[NDArray], look: Sequence[bool], ask: Ask = at_once) -> Predictions:
        """Predictions for frames that `fits` took.

        Parameters
        ----------
        look : of which to say whether they are in the network's domain.
        ask : asks the network, once frames were checked and folded.
        """
        n, (ny, nx) = len(frames), self.network.image_shape
        with np.errstate(over="ignore", invalid="ignore"):
            if (taken := self._as_they_are(frames)) is not None:
                p = ask(self.network.predict, taken)
                return Predictions(p, [None] * n, self._insides(taken, look), taken)
            images = np.empty((n, ny, nx), np.float32)
            problems = [self._fold(frame, image) for frame, image in zip(frames, images, strict=True)]
        good = np.array([problem is None for problem in problems], bool)
        p = np.full(n, np.nan)
        if not good.any():
            return Predictions(p, problems, [None] * n, None)
        seen = images if good.all() else images[good]
        p[good] = ask(self.network.predict, seen)
        images[~good] = np.nan
        return Predictions(p, problems, self._insides(images, good & np.asarray(look, bool)), images)

    def _insides(self, images: NDArray[np.float32], look: Sequence[bool] | NDArray[np.bool_]) -> list[bool | None]:
        """Whether images (n, ny, nx) are in the network's domain; None of those that it is not asked of."""
        found: list[bool | None] = [None] * len(images)
        domain = self.network.domain
        if domain is not None and (asked := np.flatnonzero(look)).size:
            inside = domain.inside(domain.compared(measure(images[asked])))
            for at, is_inside in zip(asked.tolist(), inside.tolist(), strict=True):
                found[at] = is_inside
        return found

    def _as_they_are(self, frames: Sequence[NDArray]) -> NDArray[np.float32] | None:
        """Images of frames that need neither fold nor a closer look, and lie side by side in memory; else None.

        All is done at once: between two calls of numpy another thread takes Python's lock, and the network waits.
        """
        if self._folder is not None or self._nan_is_masked or (block := neighbours(frames)) is None:
            return None
        images = np.ascontiguousarray(block, np.float32)
        if block.dtype.kind != "f":
            return images
        # The sum of what is no number, or infinite, is not finite; that of very large ones may not be, so look closer.
        return images if np.isfinite(np.einsum("i->", images.reshape(-1))) else None

    def _fold(self, frame: NDArray, image: NDArray[np.float32]) -> str | None:
        """Write the image; why there is none, or None."""
        if self._folder is None:
            image[:] = frame
        else:
            bad = np.isnan(frame) if self._nan_is_masked and frame.dtype.kind == "f" else None
            self._folder.fold(frame, image, bad)
        if self._folder is None and self._nan_is_masked:
            np.nan_to_num(image, copy=False, nan=0.0, posinf=np.inf, neginf=-np.inf)
        if frame.dtype.kind != "f" and self.table is None:
            return None
        if self._nan_is_masked or not np.isfinite(image).all() or self._is_hidden(frame):
            return self._unreadable(frame, image)
        return None

    def _is_hidden(self, frame: NDArray) -> bool:
        """Whether there may be values of minus infinity: counted against a threshold they are no photons."""
        counts = self.table is not None and self.table.threshold is not None
        return counts and frame.dtype.kind == "f" and bool(np.isneginf(frame).any())

    def _unreadable(self, frame: NDArray, image: NDArray[np.float32]) -> str | None:
        """Which module is missing, or how many pixels are no numbers."""
        if frame.dtype.kind == "f":
            wrong = ~np.isfinite(frame)
            if self._nowhere is not None:
                wrong &= ~self._nowhere
            modules = wrong.reshape(len(frame), -1) if frame.ndim > 2 else wrong.reshape(1, -1)
            live = np.ones_like(modules) if self._nowhere is None else ~self._nowhere.reshape(modules.shape)
            gone = np.flatnonzero(live.any(1) & (modules == live).all(1))
            if gone.size and frame.ndim > 2:
                return f"missing: module {', '.join(map(str, gone.tolist()))}"
            if gone.size:
                return "missing: no pixel has a value"
            if self._nan_is_masked:
                wrong &= ~np.isnan(frame)
            if wrong.any() or not np.isfinite(image).all():
                return f"unreadable: {int(wrong.sum())} pixels are no finite numbers"
        elif not np.isfinite(image).all():
            return "unreadable: sums that are no finite numbers"
        return None


def neighbours(frames: Sequence[NDArray]) -> NDArray | None:
    """(n, ...) of frames that follow each other at equal steps in one array's memory; None where they do not."""
    first, n = frames[0], len(frames)
    if n == 1:
        return first[None]
    if first.base is None or any(
        one.base is not first.base or one.dtype != first.dtype or one.strides != first.strides for one in frames
    ):
        return None
    at = [one.__array_interface__["data"][0] for one in frames]
    step = at[1] - at[0]
    if at != list(range(at[0], at[0] + n * step, step or 1)):
        return None
    return np.lib.stride_tricks.as_strided(first, (n, *first.shape), (step, *first.strides))
