"""A peak finder by local background: what stands out of a plane laid through the pixels round it.

1. The frame is smoothed with (1, 2, 1) along both axes, each pixel by what good neighbours it has.
2. Candidates are the highest smoothed pixel of their 3 x 3 that stand out of those 5 pixels away, by deviations of the
   tile (32 x 32 pixels) they lie in. Any slope cancels; it costs a few passes over the frame.
3. Each candidate is given a plane, fitted to good pixels in a ring round it, outliers left out and the fit done again:
   slopes and the soft step of a tape's shade are no noise. How the frame deviates from the plane is the local noise;
   what that is of smoothed pixels follows from a ratio measured over the whole frame, since noise of neighbouring
   pixels may be correlated (a phosphor's light spreads after the photons were counted).
4. Kept is what stands `min_snr` deviations above the plane, in `min_pixels` pixels or more, is no line and no single
   pixel that is stuck, and has no higher peak within `apart` pixels.

Where a pixel has a photon or less, noise is no Gaussian: its upper tail is long, and 5.5 deviations are nothing rare.
With `photon_adu` deviations are those that are as rare among counts of photons.

Sharp rings, as of ice, raise the noise that tiles show of smoothed pixels more than that of pixels. With `calm` below
1/2 the ratio is that of the calmest tiles, and candidates are held to it times the noise of their tile's pixels.

Nothing is azimuthal, so shades, tapes and any geometry do not matter.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frames.pixels.peaks import finder_numba as compiled
from frames.pixels.peaks.config import PeakConfig
from frames.store.spots import PEAK_COLUMNS

TILE = 32
"""Pixels along an edge of what is given one deviation."""

EAGER = 0.65
"""Of the deviations asked for, those that a candidate has to have by its tile's noise."""


@dataclass(frozen=True)
class Mask:
    """Good pixels of a detector and what follows from them, made once for many frames."""

    good: NDArray[np.bool_]
    """(ny, nx)"""
    weight: NDArray[np.float32]
    """(ny, nx) one over the smoothing's weights on good pixels; 0 where fewer than half of them are."""

    @classmethod
    def of(cls, good: NDArray[np.bool_]) -> "Mask":
        """From good pixels (ny, nx)."""
        whole = np.empty(good.shape, np.float32)
        compiled.smooth(good.astype(np.float32), np.ones(good.shape, np.float32), whole)
        enough = good & (whole > 0.5)
        return cls(np.ascontiguousarray(good, bool), np.where(enough, 1 / np.maximum(whole, 1e-6), 0).astype("f4"))


def find_peaks(image: NDArray, mask: Mask, config: PeakConfig | None = None) -> pd.DataFrame:
    """Peaks of a frame, by falling signal-to-noise ratio.

    Parameters
    ----------
    image : (ny, nx) real numbers of any type, of whatever unit.
    mask :  its good pixels; what is not finite is bad, too.

    Returns
    -------
    Columns of PEAK_COLUMNS but `frame`.

    Raises
    ------
    ValueError for an image of another shape than the mask's, or smaller than a tile.
    """
    config = config or PeakConfig()
    if image.shape != mask.good.shape or image.ndim != 2:
        raise ValueError(f"a frame of {image.shape} pixels has a mask of {mask.good.shape}; they must be the same")
    if min(image.shape) < TILE:
        raise ValueError(f"a frame of {image.shape} pixels is too small to look for peaks; expected {TILE} or more")
    values = np.ascontiguousarray(image, np.float32)
    if not np.issubdtype(image.dtype, np.integer):
        finite = np.isfinite(values)
        if not finite.all():
            mask = Mask.of(mask.good & finite)
            values = np.where(finite, values, np.float32(0))
    smooth = np.empty_like(values)
    compiled.smooth(np.where(mask.good, values, np.float32(0)) if not mask.good.all() else values, mask.weight, smooth)
    noise_smooth, noise_pixel = compiled.tiles(values, smooth, mask.weight, TILE)
    counted = (noise_pixel > 0) & (noise_smooth > 0)
    ratio = float(np.quantile(noise_smooth[counted] / noise_pixel[counted], config.calm)) if counted.any() else 1.0
    if config.calm < 0.5:
        noise_smooth = np.minimum(noise_smooth, np.float32(ratio) * noise_pixel)
    rows, columns = compiled.candidates(smooth, mask.weight, noise_smooth, EAGER * config.min_snr, TILE)
    found = compiled.measure(
        values,
        smooth,
        mask.good,
        rows,
        columns,
        ratio,
        ring(config.ring_inner, config.ring_outer),
        config.min_snr,
        config.min_pixels,
        config.photon_adu or 0.0,
    )
    found = found[np.argsort(-found[:, 3], kind="stable")]
    if config.max_radius is not None:
        middle = (np.array(image.shape[::-1]) - 1) / 2
        found = found[np.hypot(*(found[:, :2] - middle).T) <= config.max_radius]
    x, y = found[:, :2].T.copy()
    found = found[compiled.apart(x, y, config.apart)]
    names = [name for name in PEAK_COLUMNS if name != "frame"]
    table = pd.DataFrame(found, columns=names)
    return table.astype({name: PEAK_COLUMNS[name][0] for name in names})


def ring(inner: float, outer: float) -> NDArray[np.int64]:
    """(n, 2) steps along rows and columns to the pixels of a ring."""
    reach = int(np.ceil(outer))
    y, x = np.indices((2 * reach + 1,) * 2) - reach
    distance = np.hypot(y, x)
    return np.stack([y, x], -1)[(distance >= inner) & (distance <= outer)]


def find_in_frames(images: NDArray, mask: Mask, config: PeakConfig | None = None, first: int = 0) -> pd.DataFrame:
    """Peaks of several frames (n, ny, nx), with their `frame`, counted from `first`."""
    parts = [find_peaks(image, mask, config).assign(frame=first + i) for i, image in enumerate(images)]
    return pd.concat(parts, ignore_index=True)[list(PEAK_COLUMNS)] if parts else no_peaks()


def no_peaks() -> pd.DataFrame:
    """A table without a row."""
    return pd.DataFrame({name: np.empty(0, dtype) for name, (dtype, _) in PEAK_COLUMNS.items()})
