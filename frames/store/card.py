"""What a dataset tells of its patterns in `dataset.json`: how many there are of what, and how bright they are."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frames.labels import SPLITS
from frames.targets import Target

BINS_PER_DECADE = 20
"""Of histograms of photons."""


def class_counts(
    targets: Sequence[Target],
    codes: Mapping[str, NDArray[np.integer]],
    split: NDArray[np.integer],
    sums: NDArray[np.float64],
    unit: str = "photons",
) -> list[dict[str, Any]]:
    """Patterns in every split of every class that there is, all questions taken together, and their photons.

    Ordered by the last target's classes, then by those of the one before; no answer comes last.

    Parameters
    ----------
    codes : (n,) of every target, index into its classes, -1 where there is no answer.
    split : (n,) index into SPLITS.
    sums :  (n,) photons in each pattern, or of whatever unit the patterns are.
    """
    # Last in order, where there is no answer; numbers by their size, in whatever order a dataset names them.
    order = {target.name: np.argsort(target.classes).argsort() if target.is_number else None for target in targets}
    ranks = []
    for target in targets:
        code, rank = codes[target.name], order[target.name]
        ranks.append(np.where(code < 0, len(target.classes), code if rank is None else rank[code]))
    found = []
    joint, kind = np.unique(np.stack(ranks[::-1], axis=1), axis=0, return_inverse=True)
    for number in range(len(joint)):
        chosen = kind.ravel() == number
        first = int(np.argmax(chosen))
        values = {target.name: target.values(codes[target.name][first : first + 1])[0] for target in targets[::-1]}
        by_split = {split_name: int((chosen & (split == n)).sum()) for n, split_name in enumerate(SPLITS)}
        brightness = {f"{unit}_{key}": value for key, value in brightness_of(sums[chosen]).items()}
        found.append({name: value.item() for name, value in values.items()} | by_split | brightness)
    return found


def brightness_of(photons: NDArray[np.float64]) -> dict[str, Any]:
    """Mean and quantiles of the photons (n,) in patterns."""
    quantiles = np.quantile(photons, [0.05, 0.5, 0.95])
    return {"mean": float(photons.mean()), "quantiles_5_50_95": [float(value) for value in quantiles]}


def photon_histogram(photons: NDArray[np.float64], kind: NDArray) -> dict[str, Any]:
    """Patterns by the photons in them (n,), for every class of one target (n,), like their hit multiplicity.

    Edges are 0 and 10^(k/20), k = 0, 1, 2, ..., to four digits: the same in every dataset, from the last that is not
    above the faintest pattern to the first above the brightest. A pattern on an edge belongs above it.

    Returns
    -------
    `edges` [photons], (k + 1,); `counts`, (k,) patterns for every class that there is, by its name.
    """
    n_edges = math.ceil(BINS_PER_DECADE * math.log10(max(photons.max(), 1))) + 2
    edges = np.array([0.0, *(float(f"{10 ** (k / BINS_PER_DECADE):.4g}") for k in range(n_edges))])
    bins = np.searchsorted(edges, photons, side="right") - 1
    first, last = int(bins.min()), int(bins.max())
    return {
        "edges": edges[first : last + 2].tolist(),
        "counts": {
            str(value): np.bincount(bins[kind == value] - first, minlength=last - first + 1).tolist()
            for value in np.unique(kind)
        },
    }
