"""What a selection does to the science: fringes, sizes, and what slipped in."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from train.batches.polar_bins import PolarBins

ROUNDING = 1e-9
"""Of logarithms."""


def power_spectrum(photons: NDArray[np.floating], bins: PolarBins) -> NDArray[np.float64]:
    """(rings,) radial power spectral density of frames on bins (n, rings, angles), each frame of the same photons.

    Mean over frames of the photons a live pixel at each radius. NaN where a ring has no live pixel.
    """
    if not len(photons):
        return np.full(bins.n_rings, np.nan)
    live = bins.live.sum(1)
    ring = photons.sum(2, dtype=np.float64)
    shares = ring / np.maximum(ring.sum(1, keepdims=True), 1e-12)
    return np.where(live > 0, shares.mean(0) / np.maximum(live, 1), np.nan)


def contrast(spectrum: NDArray[np.floating]) -> float:
    """Mean contrast (max - min) / (max + min) of neighbouring fringes of a radial spectrum (rings,).

    Extremes are those of the spectrum over its power law, fitted as a line in logarithms, so that its fall hides no
    minimum. NaN where there are fewer than two extremes.
    """
    good = np.isfinite(spectrum) & (np.asarray(spectrum) > 0)
    x, y = np.log(np.arange(len(spectrum))[good] + 0.5), np.log(np.asarray(spectrum)[good])
    if len(x) < 4:
        return float("nan")
    y = y - np.polyval(np.polyfit(x, y, 1), x)
    inner = np.flatnonzero((y[1:-1] - y[:-2]) * (y[1:-1] - y[2:]) > 0) + 1
    if len(inner) < 2:
        return float("nan")
    heights = y[inner][np.abs(y[inner]) > ROUNDING]
    if len(heights) < 2:
        return float("nan")
    return float(np.tanh(np.abs(np.diff(heights)) / 2).mean())


def science_table(
    selections: Mapping[tuple[str, int], tuple[NDArray[np.bool_], NDArray | None]],
    photons: NDArray[np.floating],
    bins: PolarBins,
    frames: pd.DataFrame,
) -> pd.DataFrame:
    """A row for each selection: contrast of its spectrum, sizes, share of dimers and of each kind of hit.

    Parameters
    ----------
    frames : of the same frames, with columns `kind` and `diameter_nm`; of real frames, whose kind is empty and whose
             diameter nobody knows, `fitted_diameter_nm` is told. Columns may be missing.
    """
    rows = []
    for (name, seed), (chosen, _) in selections.items():
        found = {"method": name, "seed": seed, "contrast": contrast(power_spectrum(photons[chosen], bins))}
        if "diameter_nm" in frames and chosen.any():
            known = "diameter_nm" if frames["diameter_nm"].notna().any() else "fitted_diameter_nm"
            size = frames[known][chosen].dropna()
            found |= {"diameter_nm": size.median(), "diameter_spread_nm": size.std()}
        if "kind" in frames and (frames["kind"] != "").all():
            shares = frames["kind"][chosen].value_counts(normalize=True)
            found |= {f"share_{kind}": shares.get(kind, 0.0) for kind in sorted(frames["kind"].unique())}
        rows.append(found)
    return pd.DataFrame(rows)
