"""What a dataset tells of its patterns in `dataset.json`: how many there are of what, and how bright they are."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frames.labels import NO_STRUCTURE, SPLITS

BINS_PER_DECADE = 20
"""Of histograms of photons."""


def class_counts(
    structures: tuple[str, ...],
    structure: NDArray[np.integer],
    hit_multiplicity: NDArray[np.integer],
    split: NDArray[np.integer],
    photons: NDArray[np.float64],
) -> list[dict[str, Any]]:
    """Patterns in every split of every class that there is, and their photons.

    Parameters
    ----------
    structure, split : (n,) index into `structures`, -1 where no particle was hit, and into SPLITS.
    photons :          (n,) in each pattern.
    """
    found = []
    for code, name in [*enumerate(structures), (-1, NO_STRUCTURE)]:
        for multiplicity in np.unique(hit_multiplicity[structure == code]):
            chosen = (structure == code) & (hit_multiplicity == multiplicity)
            by_split = {split_name: int((chosen & (split == n)).sum()) for n, split_name in enumerate(SPLITS)}
            brightness = {f"photons_{key}": value for key, value in brightness_of(photons[chosen]).items()}
            found.append({"structure": name, "hit_multiplicity": int(multiplicity), **by_split, **brightness})
    return found


def brightness_of(photons: NDArray[np.float64]) -> dict[str, Any]:
    """Mean and quantiles of the photons (n,) in patterns."""
    quantiles = np.quantile(photons, [0.05, 0.5, 0.95])
    return {"mean": float(photons.mean()), "quantiles_5_50_95": [float(value) for value in quantiles]}


def photon_histogram(photons: NDArray[np.float64], hit_multiplicity: NDArray[np.integer]) -> dict[str, Any]:
    """Patterns by the photons in them (n,), for every hit multiplicity (n,).

    Edges are 0 and 10^(k/20), k = 0, 1, 2, ..., to four digits: the same in every dataset, from the last that is not
    above the faintest pattern to the first above the brightest. A pattern on an edge belongs above it.

    Returns
    -------
    `edges` [photons], (k + 1,); `counts`, (k,) patterns for every hit multiplicity, by its name.
    """
    n_edges = math.ceil(BINS_PER_DECADE * math.log10(max(photons.max(), 1))) + 2
    edges = np.array([0.0, *(float(f"{10 ** (k / BINS_PER_DECADE):.4g}") for k in range(n_edges))])
    bins = np.searchsorted(edges, photons, side="right") - 1
    first, last = int(bins.min()), int(bins.max())
    return {
        "edges": edges[first : last + 2].tolist(),
        "counts": {
            str(multiplicity): np.bincount(
                bins[hit_multiplicity == multiplicity] - first, minlength=last - first + 1
            ).tolist()
            for multiplicity in np.unique(hit_multiplicity)
        },
    }
