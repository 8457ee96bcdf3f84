"""How far probabilities can be trusted, as curves: the tables reliability and purity."""

from collections.abc import Mapping
from typing import get_args

import numpy as np
import pandas as pd

from evaluate.metrics.calibration import HeadName, calibrated, confidence, head_of, reliability_curve
from evaluate.metrics.operating_points import purity_yield, scores
from evaluate.predictions.predictions import SINGLE

N_POINTS = 500
"""Of a purity curve, at most: thresholds whose yields are equally far apart, and that of the highest purity."""

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "reliability": {
        "head": "whose probabilities: count, particle, or single, the count head's of one particle",
        "probabilities": "as trained, or tempered: at the temperature of the validation split",
        "confidence": "mean probability of the predicted class, in a bin of equally many test patterns",
        "accuracy": "fraction of the bin that was right",
        "n": "test patterns in the bin",
    },
    "purity": {
        "threshold": "least probability of one particle that is kept",
        "purity": "of the test patterns kept, fraction that are single hits",
        "yield": "of the single hits in the test split, fraction kept",
    },
}
"""Table -> column -> meaning, but for those that say whose probabilities they are."""


def reliability_rows(predictions: pd.DataFrame) -> pd.DataFrame:
    """Rows of reliability.csv from predictions with validation and test rows."""
    found = []
    for name, table in (("as trained", predictions), ("tempered", calibrated(predictions))):
        test = table[table["split"] == "test"]
        for head in get_args(HeadName):
            if head == "single" and SINGLE not in table:
                continue
            curve = reliability_curve(*confidence(head_of(test, head)))
            found.append(pd.DataFrame({"head": head, "probabilities": name, **curve._asdict()}))
    return pd.concat(found)


def purity_rows(predictions: pd.DataFrame) -> pd.DataFrame:
    """Rows of purity.csv from predictions with test rows; none where there is no single hit to keep."""
    columns = list(COLUMNS["purity"])
    if SINGLE not in predictions:
        return pd.DataFrame(columns=columns)
    score, is_single = scores(predictions, "test")
    if not is_single.any():
        return pd.DataFrame(columns=columns)
    threshold, purity, found = purity_yield(score, is_single)
    drawn = np.union1d(np.searchsorted(found, np.linspace(0, 1, N_POINTS)), purity.argmax())
    return pd.DataFrame({"threshold": threshold[drawn], "purity": purity[drawn], "yield": found[drawn]})
