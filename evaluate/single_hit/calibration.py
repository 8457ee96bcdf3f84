"""Whether p(single), of a pattern alone, means what it says of proteins that nobody trained on."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from evaluate.metrics.calibration import Reliability, equal_width, probability_curve

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
    curve, numbers = probability_curve(p, is_single, N_BINS), np.unique(equal_width(p, N_BINS))
    table = pd.DataFrame(
        {"from_p": numbers / N_BINS, "n": curve.n, "mean_p": curve.confidence, "single": curve.accuracy}
    )
    return table.to_dict("records")


def calibration_error(rows: pd.DataFrame) -> float:
    """By how much p(single) is wrong in a bin, |mean p - fraction single|, the mean over patterns.

    Of probabilities that are right it is not 0 but some 1/√(patterns of a bin); Guo et al., ICML 2017.
    """
    return Reliability(rows["mean_p"].to_numpy(), rows["single"].to_numpy(), rows["n"].to_numpy()).error
