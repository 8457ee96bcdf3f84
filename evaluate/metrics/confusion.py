"""What is taken for what."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluate.metrics import accuracy
from evaluate.predictions.predictions import answer, asked_of, truth
from frames.labels import NO_STRUCTURE
from frames.store.dataset import Dataset

HEADS = {"count": "hit_multiplicity", "particle": "structure"}
"""Head -> the column of predictions that it answers."""


def confusions(predictions: pd.DataFrame, dataset: Dataset) -> dict[str, NDArray[np.int64]]:
    """Head's column -> how often each label (row) was given each answer (column), of those that are asked for it."""
    known: dict[str, Sequence[Any]] = {"structure": dataset.structures, "hit_multiplicity": dataset.hit_multiplicities}
    return {
        column: accuracy.confusion(asked[column].to_numpy(), asked[f"predicted_{column}"].to_numpy(), labels)
        for column, labels in known.items()
        for asked in [asked_of(predictions, column)]
    }


def classes_shot(structures: Sequence[str], hit_multiplicities: Sequence[int]) -> list[tuple[str, int]]:
    """Structure and hit multiplicity of each class, by structure, then by multiplicity; no particle is the last."""
    hit = [(structure, multiplicity) for structure in structures for multiplicity in hit_multiplicities if multiplicity]
    return [*hit, (NO_STRUCTURE, 0)] if 0 in hit_multiplicities else hit


def class_matrix(predictions: pd.DataFrame, classes: Sequence[tuple[str, int]]) -> NDArray[np.int64]:
    """(k, k) how often each class (row) was given each of them as the answer (column); whoever says 0, says none."""
    labels = [f"{structure} {multiplicity}" for structure, multiplicity in classes]
    shot, given = (accuracy.answers(of(predictions))["test_accuracy"] for of in (truth, answer))
    return accuracy.confusion(shot, given, labels)


def collapsed_heads(predictions: pd.DataFrame) -> tuple[str, ...]:
    """Heads that give one answer to patterns that differ."""
    return tuple(
        head
        for head, column in HEADS.items()
        for asked in [asked_of(predictions, column)]
        if asked[f"predicted_{column}"].nunique() == 1 < asked[column].nunique()
    )


def per_class(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row for each class that was shot, with the columns of per_class.csv from `structure` on."""
    is_class = ["structure", "hit_multiplicity"]
    count = predictions["predicted_hit_multiplicity"] == predictions["hit_multiplicity"]
    named = predictions.assign(predicted_structure=accuracy.named(answer(predictions)))
    both = count & (named["predicted_structure"] == named["structure"])
    particle = (predictions["predicted_structure"] == predictions["structure"]).astype(float)
    answers = predictions.assign(both=both, count=count, particle=particle.where(predictions["hit_multiplicity"] > 0))
    classes = answers.groupby(is_class).agg(
        n=("both", "size"),
        recall=("both", "mean"),
        count_recall=("count", "mean"),
        particle_recall=("particle", "mean"),
        n_right=("both", "sum"),
    )
    times = named.groupby([f"predicted_{name}" for name in is_class]).size().rename_axis(is_class)
    classes["precision"] = classes.pop("n_right") / times.reindex(classes.index)
    return classes.reset_index()
