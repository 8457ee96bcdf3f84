"""How far probabilities can be trusted, as curves: the tables reliability and purity."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from evaluate.metrics import by_target
from evaluate.metrics.calibration import confidence, reliability_curve
from evaluate.metrics.operating_points import purity_yield
from frames.targets import Target

N_POINTS = 500
"""Of a purity curve, at most: thresholds whose yields are equally far apart, and that of the highest purity."""

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "reliability": {
        "target": "question, as hit_multiplicity or structure; or one class against all others, as hit_multiplicity_1",
        "probabilities": "as trained, or tempered: at the temperature of the validation split",
        "confidence": "mean probability of the predicted class, in a bin of equally many test patterns",
        "accuracy": "fraction of the bin that was right",
        "n": "test patterns in the bin",
    },
    "purity": {
        "target": "question of which one class is kept: of hit_multiplicity, single hits",
        "threshold": "least probability of that class that is kept",
        "purity": "of the test patterns kept, fraction that are of the class",
        "yield": "of the test patterns of the class, fraction kept",
    },
}
"""Table -> column -> meaning, but for those that say whose probabilities they are."""


def reliability_rows(predictions: pd.DataFrame, targets: Sequence[Target]) -> pd.DataFrame:
    """Rows of reliability.csv from predictions with validation and test rows."""
    found = []
    for probabilities, table in (("as trained", predictions), ("tempered", by_target.calibrated(predictions, targets))):
        test = table[table["split"] == "test"]
        for name, target, kept in by_target.questions(targets):
            curve = reliability_curve(*confidence(by_target.head_of(test, target, kept)))
            found.append(pd.DataFrame({"target": name, "probabilities": probabilities, **curve._asdict()}))
    return pd.concat(found)


def purity_rows(predictions: pd.DataFrame, targets: Sequence[Target]) -> pd.DataFrame:
    """Rows of purity.csv from predictions with test rows; none where there is nothing to keep."""
    found = [pd.DataFrame(columns=list(COLUMNS["purity"]))]
    for target in targets:
        if target.kept is None:
            continue
        score, is_kept = by_target.kept_scores(predictions, target, "test")
        if is_kept.any():
            threshold, purity, kept = purity_yield(score, is_kept)
            drawn = np.union1d(np.searchsorted(kept, np.linspace(0, 1, N_POINTS)), purity.argmax())
            points = {"threshold": threshold[drawn], "purity": purity[drawn], "yield": kept[drawn]}
            found.append(pd.DataFrame({"target": target.name, **points}))
    return pd.concat(found[1:] or found)
