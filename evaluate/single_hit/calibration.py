"""Whether p(single), of a pattern alone, means what it says of proteins that nobody trained on."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

N_BINS = 10
"""Of p(single), equally wide."""

COLUMNS: Mapping[str, str] = {
    "dataset": "evaluated on: test patterns, each asked of the network that never saw its family",
    "from_p": "p(single) from here, a tenth wide; the pattern alone, single and multiple hits being as frequent",
    "n": "patterns",
    "mean_p": "mean p(single) of these",
    "single": "fraction of these that are single hits",
}


def reliability(scores: NDArray[np.floating], is_single: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Rows of a table, one for each bin of p(single) that has patterns, from log-odds (n,) and what is true (n,)."""
    p = expit(scores)
    at = np.minimum((N_BINS * p).astype(int), N_BINS - 1)
    return [
        {
            "from_p": number / N_BINS,
            "n": int((at == number).sum()),
            "mean_p": float(p[at == number].mean()),
            "single": float(is_single[at == number].mean()),
        }
        for number in np.unique(at).tolist()
    ]


def calibration_error(rows: pd.DataFrame) -> float:
    """By how much p(single) is wrong in a bin, |mean p - fraction single|, the mean over patterns.

    Of probabilities that are right it is not 0 but some 1/√(patterns of a bin); Guo et al., ICML 2017.
    """
    return float((rows["n"] * (rows["mean_p"] - rows["single"]).abs()).sum() / rows["n"].sum())
