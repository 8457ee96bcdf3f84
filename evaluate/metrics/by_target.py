"""Numbers of any questions: every table here loops over the targets that a dataset declares.

All take a table of predictions, as from `evaluate.predictions.predictions.read_predictions`, and its targets. A pattern
without an answer to a question (which structure, of an empty shot) is not asked it: there it can be neither right nor
wrong.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluate.metrics.calibration import (
    Head,
    best_temperature,
    confidence,
    expected_calibration_error,
    negative_log_likelihood,
    tempered,
)
from evaluate.metrics.operating_points import TARGET_PURITIES, measured_points
from frames.targets import Target


def accuracies(predictions: pd.DataFrame, targets: Sequence[Target]) -> dict[str, float]:
    """`test_accuracy`, joint: every answer right that there is; `<target>_accuracy` of the patterns that have one;
    and, of a target with a class that is kept, `<target>_<kept>_accuracy`: rightly told to be it, or not, where it is
    told to be it above a probability of 1/2. NaN where no pattern has an answer.
    """
    all_right, found = np.ones(len(predictions), bool), {}
    for target in targets:
        right, answered = _right(predictions, target), _codes(predictions, target) >= 0
        all_right &= right | ~answered
        found[f"{target.name}_accuracy"] = _share(right[answered])
        if target.kept is not None:
            told = predictions[f"p_{target.name}_{target.kept}"].to_numpy() > 0.5
            is_kept = predictions[target.name].to_numpy() == target.kept
            found[f"{target.name}_{target.kept}_accuracy"] = _share((told == is_kept)[answered])
    return {"test_accuracy": _share(all_right), **found}


def confusion(predictions: pd.DataFrame, target: Target) -> NDArray[np.int64]:
    """(k, k) how often each class (row) was taken for each (column), in the target's order, of those that have one."""
    k, right = len(target.classes), _codes(predictions, target)
    given = target.codes(predictions[f"predicted_{target.name}"].to_numpy())[right >= 0]
    return np.bincount(k * right[right >= 0] + given, minlength=k * k).reshape(k, k)


def collapsed(predictions: pd.DataFrame, targets: Sequence[Target]) -> tuple[str, ...]:
    """Targets of which one answer is given to patterns that differ."""
    matrices = {target.name: confusion(predictions, target) for target in targets}
    return tuple(
        name
        for name, matrix in matrices.items()
        if (matrix.sum(axis=0) > 0).sum() == 1 < (matrix.sum(axis=1) > 0).sum()
    )


def calibration(predictions: pd.DataFrame, targets: Sequence[Target]) -> pd.DataFrame:
    """A row for each target: the temperature fitted on validation rows, and what it does to the test rows.

    Columns are those of calibration.csv, but `target` in place of `head`.
    """
    rows = []
    for target in targets:
        validation, test = (head_of(predictions[predictions["split"] == split], target) for split in _FITTED)
        temperature = best_temperature(validation)
        heads = {"before": test, "after": Head(tempered(test.probabilities, temperature), test.truth)}
        rows.append(
            {
                "target": target.name,
                "n_validation": len(validation.truth),
                "n_test": len(test.truth),
                "temperature": temperature,
                **{f"ece_{when}": expected_calibration_error(*confidence(head)) for when, head in heads.items()},
                **{f"nll_{when}": negative_log_likelihood(head) for when, head in heads.items()},
            }
        )
    return pd.DataFrame(rows)


def operating_points(
    predictions: pd.DataFrame, targets: Sequence[Target], purities: Sequence[float] = TARGET_PURITIES
) -> pd.DataFrame:
    """Purity and yield of keeping the class that a target keeps, a row for each such target and purity asked for.

    Columns are those of selection.csv, with `target` before them; no rows where nothing is kept.
    """
    found = []
    for target in targets:
        if target.kept is not None:
            score, kept = f"p_{target.name}_{target.kept}", predictions[target.name] == target.kept
            asked = predictions.assign(score=predictions[score], kept=kept)[_codes(predictions, target) >= 0]
            parts = [asked[asked["split"] == split] for split in _FITTED]
            validation, test = ((part["score"].to_numpy(float), part["kept"].to_numpy()) for part in parts)
            points = measured_points(validation, test, purities)
            points.insert(0, "target", target.name)
            found.append(points)
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def head_of(predictions: pd.DataFrame, target: Target) -> Head:
    """What is answered to one question about the patterns that have an answer to it."""
    codes = _codes(predictions, target)
    probabilities = predictions[[f"p_{target.name}_{value}" for value in target.classes]].to_numpy(float)
    return Head(probabilities[codes >= 0], codes[codes >= 0])


_FITTED = ("validation", "test")


def _codes(predictions: pd.DataFrame, target: Target) -> NDArray[np.int64]:
    return target.codes(predictions[target.name].to_numpy())


def _right(predictions: pd.DataFrame, target: Target) -> NDArray[np.bool_]:
    return predictions[f"predicted_{target.name}"].to_numpy() == predictions[target.name].to_numpy()


def _share(right: NDArray[np.bool_]) -> float:
    return float(right.mean()) if len(right) else math.nan
