"""Numbers of any questions: every table here loops over the targets that a dataset declares.

All take a table of predictions, as from `evaluate.predictions.predictions.read_predictions`, and its targets. A pattern
without an answer to a question (which structure, of an empty shot) is not asked it: there it can be neither right nor
wrong.
"""

import math
from collections.abc import Mapping, Sequence

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
from evaluate.metrics.confusion import all_right
from evaluate.metrics.operating_points import POINT_COLUMNS, TARGET_PURITIES, measured_points
from frames.targets import Target


def accuracies(predictions: pd.DataFrame, targets: Sequence[Target]) -> dict[str, float]:
    """`test_accuracy`, joint: every answer right that there is; `<target>_accuracy` of the patterns that have one;
    and, of a target with a class that is kept, `<target>_<kept>_accuracy`: rightly told to be it, or not, where it is
    told to be it above a probability of 1/2. NaN where no pattern has an answer.
    """
    found = {}
    for target in targets:
        answered = _codes(predictions, target) >= 0
        found[f"{target.name}_accuracy"] = _share(_right(predictions, target)[answered])
        if target.kept is not None:
            told = predictions[f"p_{target.name}_{target.kept}"].to_numpy() > 0.5
            is_kept = predictions[target.name].to_numpy() == target.kept
            found[f"{target.name}_{target.kept}_accuracy"] = _share((told == is_kept)[answered])
    return {"test_accuracy": _share(all_right(predictions, targets)), **found}


def lone_accuracy(predictions: pd.DataFrame, targets: Sequence[Target]) -> float:
    """Of the patterns of the class that is kept, fraction with every other answer right; NaN where there is none.

    Of hit multiplicity and structure: how often the structure of a single hit is right.
    """
    lone = lone_target(targets)
    if lone is None:
        return math.nan
    kept = predictions[(predictions[lone.name] == lone.kept).to_numpy()]
    return _share(all_right(kept, [target for target in targets if target != lone]))


def lone_target(targets: Sequence[Target]) -> Target | None:
    """The first with a class that is kept, where there are other questions to ask of those patterns."""
    return next((target for target in targets if target.kept is not None), None) if len(targets) > 1 else None


def majority(train: pd.DataFrame, test: pd.DataFrame, targets: Sequence[Target]) -> dict[str, float]:
    """What `accuracies` says of giving each question the answer most frequent in the training split.

    The questions are apart: where a quarter of all shots are single hits, "not one" is right for the rest. Of equally
    frequent answers the first in sorted order is given.

    Parameters
    ----------
    train, test : a column for each target, as of `evaluate.predictions.labels.target_labels`.
    """
    joint = [" ".join(map(str, row)) for row in _last_first(train, targets)]
    asked = [" ".join(map(str, row)) for row in _last_first(test, targets)]
    result = {"test_accuracy": _share(np.array(asked) == _most_frequent(np.array(joint)))}
    for target in targets:
        seen, shown = (table[target.name].to_numpy()[_codes(table, target) >= 0] for table in (train, test))
        result[f"{target.name}_accuracy"] = _share(shown == _most_frequent(seen)) if len(seen) else math.nan
        if target.kept is not None:
            common = _most_frequent(seen == target.kept) if len(seen) else False
            result[f"{target.name}_{target.kept}_accuracy"] = _share((shown == target.kept) == common)
    return result


def _last_first(table: pd.DataFrame, targets: Sequence[Target]) -> NDArray:
    return table[[target.name for target in reversed(targets)]].to_numpy(object)


def _most_frequent(values: NDArray) -> str | int | bool:
    found, counts = np.unique(np.array(values.tolist()), return_counts=True)
    return found[counts.argmax()].item()


def asked(predictions: pd.DataFrame, target: Target) -> int:
    """Patterns that have an answer to a question."""
    return int((_codes(predictions, target) >= 0).sum())


def confusion(predictions: pd.DataFrame, target: Target) -> NDArray[np.int64]:
    """(k, k) how often each class (row) was taken for each (column), in the target's order, of those that have one.

    ValueError where one was taken for what is no class of the target.
    """
    k, right = len(target.classes), _codes(predictions, target)
    given = target.codes(predictions[f"predicted_{target.name}"].to_numpy())[right >= 0]
    if (given < 0).any():
        strange = predictions[f"predicted_{target.name}"].to_numpy()[right >= 0][given < 0].tolist()[0]
        raise ValueError(f"predicted {target.name} {strange!r} is none of {list(target.classes)}; predict again")
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
    """A row for each target, then one for each class that is kept: the temperature fitted on validation rows, and what
    it does to the test rows.

    Columns are those of calibration.csv from `target` on, of a kept class `<target>_<class>`: it is told from all other
    classes by its target's probabilities, at that one's temperature.
    """
    temperatures = _temperatures(predictions, targets)
    scaled = _scaled(predictions, temperatures)
    rows = []
    for name, target, kept in questions(targets):
        fitted, before = (
            head_of(predictions[predictions["split"] == split], target, kept) for split in ("validation", "test")
        )
        heads = {"before": before, "after": head_of(scaled[scaled["split"] == "test"], target, kept)}
        rows.append(
            {
                "target": name,
                "n_validation": len(fitted.labels),
                "n_test": len(before.labels),
                "temperature": temperatures[target],
                **{f"ece_{when}": expected_calibration_error(*confidence(head)) for when, head in heads.items()},
                **{f"nll_{when}": negative_log_likelihood(head) for when, head in heads.items()},
            }
        )
    return pd.DataFrame(rows)


def calibrated(predictions: pd.DataFrame, targets: Sequence[Target]) -> pd.DataFrame:
    """The same table, with the probabilities of each target at the temperature fitted on its validation rows."""
    return _scaled(predictions, _temperatures(predictions, targets))


def questions(targets: Sequence[Target]) -> list[tuple[str, Target, bool]]:
    """Name, target, and whether it is of the class kept alone: each target, then each class that one keeps."""
    whole = [(target.name, target, False) for target in targets]
    return [*whole, *((f"{target.name}_{target.kept}", target, True) for target in targets if target.kept is not None)]


def _temperatures(predictions: pd.DataFrame, targets: Sequence[Target]) -> dict[Target, float]:
    validation = predictions[predictions["split"] == "validation"]
    return {target: best_temperature(head_of(validation, target)) for target in targets}


def _scaled(predictions: pd.DataFrame, temperatures: Mapping[Target, float]) -> pd.DataFrame:
    result = predictions.copy()
    for target, temperature in temperatures.items():
        columns = [f"p_{target.name}_{value}" for value in target.classes]
        result[columns] = tempered(predictions[columns], temperature)
    return result


def operating_points(
    predictions: pd.DataFrame, targets: Sequence[Target], purities: Sequence[float] = TARGET_PURITIES
) -> pd.DataFrame:
    """Purity and yield of keeping the class that a target keeps, a row for each such target and purity asked for.

    Columns are those of selection.csv, with `target` before them; no rows where nothing is kept.
    """
    found = []
    for target in targets:
        if target.kept is not None:
            validation, test = (kept_scores(predictions, target, split) for split in ("validation", "test"))
            points = measured_points(validation, test, purities)
            points.insert(0, "target", target.name)
            found.append(points)
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["target", *POINT_COLUMNS])


def kept_scores(predictions: pd.DataFrame, target: Target, split: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(n,) probability of the class that is kept, and (n,) whether a pattern is of it, of those that have an answer."""
    rows = predictions[(predictions["split"] == split).to_numpy() & (_codes(predictions, target) >= 0)]
    return rows[f"p_{target.name}_{target.kept}"].to_numpy(float), (rows[target.name] == target.kept).to_numpy()


def head_of(predictions: pd.DataFrame, target: Target, kept: bool = False) -> Head:
    """What is answered to one question about the patterns that have an answer to it; or, of the class that is kept
    alone, its probability and that of all others together.
    """
    codes = _codes(predictions, target)
    probabilities = predictions[[f"p_{target.name}_{value}" for value in target.classes]].to_numpy(float)[codes >= 0]
    codes = codes[codes >= 0]
    if not kept:
        return Head(probabilities, codes)
    assert target.kept is not None
    one = target.index(target.kept)
    others = np.delete(probabilities, one, axis=1).sum(axis=1)
    return Head(np.stack([probabilities[:, one], others], axis=1), (codes != one).astype(np.int64))


def _codes(predictions: pd.DataFrame, target: Target) -> NDArray[np.int64]:
    return target.codes(predictions[target.name].to_numpy())


def _right(predictions: pd.DataFrame, target: Target) -> NDArray[np.bool_]:
    return predictions[f"predicted_{target.name}"].to_numpy() == predictions[target.name].to_numpy()


def _share(right: NDArray[np.bool_]) -> float:
    return float(right.mean()) if len(right) else math.nan
