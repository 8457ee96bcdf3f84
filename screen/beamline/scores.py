"""Decisions on a simulated run held against the truth, beside what total intensity and lit pixels would have kept."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LIT = 0.7
"""Photons from which on a pixel is lit, as in extra_redu's hit finder"""
LEVELS = LIT, 1.5, 2.5, 3.5, 4.5, 6.5, 9.5
"""Where frames are read with noise the finder's own may be too low: others that it may do better with [photons]"""
SNR = 4.0
"""Standard deviations above the median from which on it takes a frame for a hit"""


class Score(NamedTuple):
    """How well frames were chosen."""

    kept: float
    """number of frames; expected, where ties are cut"""
    purity: float
    """share of single hits among them; NaN where none was kept"""
    yield_: float
    """share of the single hits that were kept"""


def score_of(kept: NDArray[np.bool_], is_single: NDArray[np.bool_]) -> Score:
    """Of frames (n,) that were kept."""
    n = int(kept.sum())
    right = int((kept & is_single).sum())
    return Score(n, right / n if n else np.nan, right / max(1, int(is_single.sum())))


def at_yield(values: NDArray, is_single: NDArray[np.bool_], wanted: float) -> Score:
    """Of the frames with the highest values, as many as keep a share of the single hits.

    Where the last value is several frames', they are kept at random: what is expected then. ValueError for a share that
    is not above 0 and at most 1, and without single hits.
    """
    n_single = int(is_single.sum())
    if not (0 < wanted <= 1 and n_single):
        raise ValueError(f"a yield of {wanted} of {n_single} single hits; expected more than 0, of some")
    _, group = np.unique(-np.asarray(values, float), return_inverse=True)  # highest first
    singles = np.cumsum(np.bincount(group, weights=is_single))
    frames = np.cumsum(np.bincount(group))
    right = wanted * n_single
    at = int(np.searchsorted(singles, right - 1e-9))
    before_singles, before = (singles[at - 1], frames[at - 1]) if at else (0.0, 0)
    kept = before + (right - before_singles) / (singles[at] - before_singles) * (frames[at] - before)
    return Score(float(kept), float(right / kept), wanted)


def lit_pixels(patterns: NDArray, live: NDArray[np.bool_], level: float = LIT) -> NDArray[np.int64]:
    """(n,) pixels of patterns (n, ny, nx) that are lit, from `level` photons on, of those that count (ny, nx)."""
    return np.array([int((one[live] >= level).sum()) for one in patterns])


class _Counts:
    """Lit pixels of one module as extra_redu's hit finder reads them."""

    num_sources = 1

    def __init__(self, lit: NDArray[np.int64], n_pixels: int, train: NDArray[np.int64], pulse: NDArray[np.int64]):
        self._columns = {"litPixels": lit[:, None], "unmaskedPixels": np.full((len(lit), 1), n_pixels)}
        self.trainId, self.pulseId, self.num_events = train, pulse, len(lit)
        self.train_ids, self.first, self.count = np.unique(train, return_index=True, return_counts=True)

    def __getitem__(self, name: str) -> Any:
        column = self._columns[name]

        class Key:
            def ndarray(self, modules: Sequence[int], fill_value: int = 0) -> NDArray:
                return column

        return Key()


def extra_redu_hits(
    lit: NDArray[np.int64], n_pixels: int, train: NDArray[np.int64], pulse: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Hit scores (n,), and what is a hit by median + `SNR` σ, by the European XFEL's own finder, of frames in order.

    ModuleNotFoundError without extra_redu.
    """
    import warnings

    from extra_redu.spi.hitfinder import SpiHitfinder

    finder = SpiHitfinder(modules=[0], snr=SNR, xgm_norm=False, num_px_per_module=n_pixels)
    # A median and its spread are of at least 100 frames, so that short trains have one.
    with warnings.catch_warnings():  # it divides where there are pixels; here there are everywhere
        warnings.filterwarnings("ignore", "'where' used without 'out'", UserWarning)
        finder._read_litpixels(_Counts(lit, n_pixels, train, pulse))
    finder._compute_threshold()
    finder._select_hits()
    return finder.hitscore, finder.hit_mask
