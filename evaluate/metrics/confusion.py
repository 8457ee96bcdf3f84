"""What is taken for what, all questions of a dataset together: a class is then an answer to each of them.

Where a pattern has no answer to a question, its class says `none` there, and -1 of numbers: no structure of a shot
that hit no particle.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frames.targets import NO_ANSWER, Target

NONE = np.array([NO_ANSWER])
"""The code of no answer, as `Target.values` takes it."""


def recorded(predictions: pd.DataFrame, targets: Sequence[Target]) -> pd.DataFrame:
    """The class of every pattern: a column for each target."""
    return predictions[[target.name for target in targets]]


def answered(predictions: pd.DataFrame, targets: Sequence[Target]) -> pd.DataFrame:
    """The class that every pattern is taken for: a column for each target.

    A head answers always; whoever says that no particle was hit says that there is no structure. Which answers say
    that another question has none is taken from the patterns: those of which no pattern has an answer to the other.
    """
    right = recorded(predictions, targets)
    given = pd.DataFrame({t.name: predictions[f"predicted_{t.name}"].to_numpy(object) for t in targets})
    result = given.copy()
    for target, other in itertools.permutations(targets, 2):
        has_none = target.codes(right[target.name].to_numpy()) == NO_ANSWER
        for value in other.classes:
            of_it = right[other.name].to_numpy() == value
            if of_it.any() and has_none[of_it].all():
                result.loc[(given[other.name] == value).to_numpy(), target.name] = target.values(NONE)[0]
    return result


def all_right(predictions: pd.DataFrame, targets: Sequence[Target]) -> NDArray[np.bool_]:
    """(n,) whether every answer is right that there is."""
    right, given = recorded(predictions, targets), predictions
    return np.all(
        [
            (given[f"predicted_{t.name}"] == right[t.name]).to_numpy() | (t.codes(right[t.name].to_numpy()) < 0)
            for t in targets
        ],
        axis=0,
    )


def joint_classes(targets: Sequence[Target]) -> list[tuple[str | int, ...]]:
    """All that a pattern could be, an answer to each target or none: the last target's classes go slowest, none last.

    Of hit multiplicity and structure: by structure, then by number; no particle is the last.
    """
    each = [[*target.classes, target.values(NONE)[0].item()] for target in reversed(targets)]
    return [one[::-1] for one in itertools.product(*each)]


def joint_label(values: Sequence[str | int]) -> str:
    """What a class is called: `4 × 1ss8`, of a number of something; else its answers. `none` where it has none."""
    found = [value for value in values if value not in ("none", -1)]
    numbers, words = ([value for value in found if isinstance(value, str) is text] for text in (False, True))
    if len(numbers) == len(words) == 1:
        return f"{numbers[0]} × {words[0]}"
    return ", ".join(map(str, found)) if words or any(numbers) else "none"


def joint_counts(predictions: pd.DataFrame, targets: Sequence[Target]) -> pd.DataFrame:
    """`label`, `predicted` and how often, `n`, in the order of `joint_classes`; pairs that never occurred left out."""
    classes = joint_classes(targets)
    code = {one: index for index, one in enumerate(classes)}
    shot, given = (
        [code[one] for one in of(predictions, targets).itertuples(index=False, name=None)]
        for of in (recorded, answered)
    )
    pairs, n = np.unique(np.array(shot) * len(classes) + np.array(given), return_counts=True)
    label, predicted = ([joint_label(classes[index]) for index in codes] for codes in np.divmod(pairs, len(classes)))
    return pd.DataFrame({"label": label, "predicted": predicted, "n": n})


def per_class(predictions: pd.DataFrame, targets: Sequence[Target]) -> pd.DataFrame:
    """One row for each class that there is, with the columns of per_class.csv from the targets' names on."""
    is_class = [target.name for target in reversed(targets)]
    right = {
        f"{t.name}_recall": (predictions[f"predicted_{t.name}"] == predictions[t.name])
        .astype(float)
        .where(t.codes(predictions[t.name].to_numpy()) >= 0)
        for t in targets
    }
    rows = predictions.assign(all_right=all_right(predictions, targets), **right)
    classes = rows.groupby(is_class).agg(
        n=("all_right", "size"),
        recall=("all_right", "mean"),
        **{name: (name, "mean") for name in right},
        n_right=("all_right", "sum"),
    )
    times = answered(predictions, targets).groupby(is_class).size()
    classes["precision"] = classes.pop("n_right") / times.reindex(classes.index)
    return classes.reset_index()
