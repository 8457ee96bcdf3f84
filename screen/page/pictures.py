"""What the page shows of frames: the last hits and vetoes, and what each have in common, as PNG images."""

import base64
import io
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screen.stream.ledger import Record

SHOWN = 6
"""Of the last hits, and of the last vetoes"""
SIDE = 256
"""Pixels of a picture along its longer side, at most; larger images are thinned out"""


class Pictures:
    """The last frames of each decision, and their sums; one thread adds, any may look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = {decision: deque[tuple[str, float, NDArray]](maxlen=SHOWN) for decision in ("keep", "veto")}
        self._sum: dict[str, NDArray[np.float64] | None] = {"keep": None, "veto": None}
        self._n = {"keep": 0, "veto": 0}
        self.version = 0

    def add(self, records: Sequence[Record], images: NDArray) -> None:
        """Records with images (n, ny, nx), NaN where a frame had none."""
        seen = ~np.isnan(images[:, 0, 0])
        with self._lock:
            for decision, last in self._last.items():
                # A frame kept at random, below the threshold, is no hit: it would blur what hits have in common.
                at = [n for n, one in enumerate(records) if one.decision == decision and not one.reason and seen[n]]
                if not at:
                    continue
                total = images[at].sum(0, dtype=np.float64)
                before = self._sum[decision]
                self._sum[decision] = total if before is None or before.shape != total.shape else before + total
                self._n[decision] = len(at) + (
                    0 if before is None or before.shape != total.shape else self._n[decision]
                )
                for n in at[-SHOWN:]:
                    last.append((str(records[n].id), records[n].p_single, images[n].copy()))
            self.version += 1

    def rendered(self) -> dict[str, Any]:
        """By decision: `powder`, the mean frame, of `n`; and `last`, newest first. Pictures are data URLs."""
        with self._lock:
            last = {decision: list(frames)[::-1] for decision, frames in self._last.items()}
            powders = {decision: None if s is None else s.copy() for decision, s in self._sum.items()}
            n = dict(self._n)
        return {
            decision: {
                "n": n[decision],
                "powder": None if (total := powders[decision]) is None else picture(total / n[decision]),
                "last": [{"id": id, "p": round(p, 3), "src": picture(image)} for id, p, image in last[decision]],
            }
            for decision in last
        }


def picture(image: NDArray) -> str:
    """A data URL of a PNG of (ny, nx): logarithmic from 0 to the 99.9th percentile, row 0 at the bottom, as y rises."""
    from matplotlib import colormaps
    from PIL import Image

    step = -(-max(image.shape) // SIDE)
    values = np.nan_to_num(image[::step, ::step], posinf=0.0, neginf=0.0)
    # Of sparse counts a percentile may be 0: then the brightest pixel.
    top = float(np.percentile(values, 99.9)) or float(values.max())
    # From a hundredth of the top on, so that means of fractions of a photon have as many steps as bright frames.
    scaled = np.log1p(np.clip(values, 0, top) / top * 100) / np.log(101) if top > 0 else np.zeros_like(values)
    colours = (255 * np.asarray(colormaps["inferno"](np.linspace(0, 1, 256)))[:, :3]).astype(np.uint8)
    made = Image.fromarray((255 * scaled[::-1]).astype(np.uint8), mode="P")
    made.putpalette(colours.tobytes())
    out = io.BytesIO()
    made.save(out, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
