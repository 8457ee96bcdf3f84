"""What a selection of frames is worth, against a person's labels and against what was hit.

The published rows are those of Ignatenko's slides: 995 single hits among 17,932 frames, by a person. Selecting nothing
is right in 94.45 % of them, so accuracy is in the table only because the slides have it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from evaluate.metrics.operating_points import purity_yield
from evaluate.virus.published import PUBLISHED, Published

N_RESAMPLED = 1000
"""Bootstrap samples of the frames behind an interval."""

LEVEL = 0.95
"""Share of them inside of it."""

N_POSITIVE, N_NEGATIVE = 995, 16_937
"""Of the slides' test split."""


COLUMNS = {
    "method": "what selected; `nothing` is the empty selection",
    "against": "manual: a person's labels; truth: what the pulse hit",
    "seed": "of the training",
    "n": "frames that could be selected",
    "positives": "of them, single hits by these labels",
    "selected": "frames selected",
    "shared": "of them, single hits by these labels",
    "iou": "shared over frames that are selected or single hits",
    "accuracy": "share of frames rightly selected or left; selecting nothing is right in all that are no single hit",
    "precision": "shared over selected",
    "recall": "shared over positives",
    "f1": "2 shared over selected and positives",
    "f1_low": "lower end of the 95 % bootstrap interval of f1, frames resampled",
    "f1_high": "its upper end",
    "pr_auc": "average precision of the scores; missing where a method has none",
    "precision_at_recall_60": "precision where the scores first reach a recall of 0.6",
    "published_selected": "of the slides' row",
    "published_shared": "of the slides' row",
    "published_f1": "from its counts and 995 positives; of EM there is none, its row is of other labels",
}
"""Of tables/selection.csv."""


def counts(selected: int, shared: int, positives: int, n: int) -> dict[str, float]:
    """Everything that four numbers decide. ValueError where they contradict each other.

    >>> round(counts(1185, 597, 995, 17932)["f1"], 3)
    0.548
    """
    if not 0 <= shared <= min(selected, positives) or selected + positives - shared > n:
        raise ValueError(
            f"{selected} selected, {shared} shared, {positives} positives of {n} frames: no selection has these counts"
        )
    union = selected + positives - shared
    return {
        "selected": selected,
        "shared": shared,
        "positives": positives,
        "n": n,
        "iou": shared / union if union else float("nan"),
        "accuracy": 1 - (union - shared) / n,
        "precision": shared / selected if selected else float("nan"),
        "recall": shared / positives if positives else float("nan"),
        "f1": 2 * shared / (selected + positives) if selected + positives else float("nan"),
    }


def positives_implied(row: Published, percent_off: float = 0.5) -> dict[str, tuple[float, float]]:
    """How many positives a printed row allows by its recall, and by its IoU: from, to. Printed values are rounded."""

    def between(share: int, positives_of: tuple[float, float]) -> tuple[float, float]:
        low, high = (share + percent_off) / 100, (share - percent_off) / 100
        return tuple(a / b - c for a, b, c in zip((row.shared,) * 2, (low, high), positives_of, strict=True))  # type: ignore[return-value]

    beyond = float(row.selected - row.shared)
    return {"recall": between(row.recall, (0, 0)), "iou": between(row.iou, (beyond, beyond))}


def same_labels(row: Published, positives: int = N_POSITIVE, percent_off: float = 1.2) -> bool:
    """Whether a printed row can be of so many positives; within rounding, and a recall that was cut or rounded up."""
    implied = positives_implied(row, percent_off)
    return all(low <= positives <= high for low, high in implied.values())


def f1_interval(
    chosen: NDArray[np.bool_], single: NDArray[np.bool_], seed: int = 0, n_resampled: int = N_RESAMPLED
) -> tuple[float, float]:
    """Bootstrap interval of F1, frames resampled: only how many are shared, chosen alone and single alone matters."""
    cells = np.array([(chosen & single).sum(), (chosen & ~single).sum(), (~chosen & single).sum()], float)
    rest = len(chosen) - cells.sum()
    drawn = np.random.default_rng(seed).multinomial(len(chosen), np.append(cells, rest) / len(chosen), n_resampled)
    shared, alone, missed = drawn[:, 0], drawn[:, 1], drawn[:, 2]
    f1 = 2 * shared / np.maximum(2 * shared + alone + missed, 1)
    low, high = np.quantile(f1, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def f1_difference(
    one: ArrayLike, other: ArrayLike, single: ArrayLike, seed: int = 0, n_resampled: int = N_RESAMPLED
) -> tuple[float, float, float]:
    """F1 of one selection less another's, and the ends of its bootstrap interval: the same frames are resampled."""
    a, b, s = (np.asarray(some, bool) for some in (one, other, single))
    cell = a * 4 + b * 2 + s
    shares = np.bincount(cell, minlength=8) / len(s)
    drawn = np.vstack((shares * len(s), np.random.default_rng(seed).multinomial(len(s), shares, n_resampled)))
    bits = np.arange(8)
    in_a, in_b, is_s = bits & 4 > 0, bits & 2 > 0, bits & 1 > 0

    def f1(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
        both = drawn[:, inside & is_s].sum(1)
        return 2 * both / np.maximum(drawn[:, inside].sum(1) + drawn[:, is_s].sum(1), 1)

    differences = f1(in_a) - f1(in_b)
    low, high = np.quantile(differences[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(differences[0]), float(low), float(high)


def f1_over_seeds(
    some: Sequence[NDArray[np.bool_]],
    single: NDArray[np.bool_],
    less: Sequence[NDArray[np.bool_]] = (),
    seed: int = 0,
    n_resampled: int = N_RESAMPLED,
) -> tuple[float, float, float]:
    """Mean F1 of the selections of several seeds, less that of others, and the ends of its bootstrap interval.

    Frames are resampled, the same for all, and so are the seeds of either side: the interval holds what another draw
    of frames and other trainings would give, as far as these few trainings tell.
    """
    sides = [[np.asarray(one, bool) for one in side] for side in (some, less) if len(side)]
    sets = np.stack([np.asarray(single, bool), *(one for side in sides for one in side)])
    # frames on which all selections agree are counted together
    cells, sizes = np.unique(np.packbits(sets, axis=0), axis=1, return_counts=True)
    inside = np.unpackbits(cells, axis=0, count=len(sets)).astype(np.float64)
    generator = np.random.default_rng(seed)
    n = np.vstack((sizes, generator.multinomial(len(single), sizes / sizes.sum(), n_resampled))).astype(np.float64)
    f1 = 2 * (n @ (inside[1:] * inside[0]).T) / np.maximum(n @ (inside[1:] + inside[0]).T, 1)
    total, start = np.zeros(len(n)), 0
    for sign, side in zip((1, -1), sides, strict=False):
        mine = f1[:, start : start + len(side)]
        picked = np.vstack((np.arange(len(side)), generator.integers(len(side), size=(n_resampled, len(side)))))
        total += sign * np.take_along_axis(mine, picked, 1).mean(1)
        start += len(side)
    low, high = np.quantile(total[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(total[0]), float(low), float(high)


def average_precision(score: ArrayLike, single: ArrayLike) -> float:
    """Area below precision against recall, in steps of the recall."""
    _, precision, recall = purity_yield(score, single)
    return float((np.diff(recall, prepend=0) * precision).sum())


def precision_at(recall: float, score: ArrayLike, single: ArrayLike) -> float:
    """Precision at the highest threshold that reaches a recall."""
    _, precision, reached = purity_yield(score, single)
    return float(precision[np.searchsorted(reached, recall - 1e-12)])


def row(
    method: str,
    against: str,
    chosen: NDArray[np.bool_],
    single: NDArray[np.bool_],
    score: NDArray | None = None,
    seed: int = 0,
) -> dict[str, object]:
    """A row of the table: a selection (n,) against labels (n,), with the published row of that method's name."""
    found: dict[str, object] = {"method": method, "against": against, "seed": seed}
    found |= counts(int(chosen.sum()), int((chosen & single).sum()), int(single.sum()), len(single))
    found["f1_low"], found["f1_high"] = f1_interval(chosen, single)
    has_scores = score is not None and single.any()
    found["pr_auc"] = average_precision(score, single) if has_scores else float("nan")  # type: ignore[arg-type]
    found["precision_at_recall_60"] = precision_at(0.6, score, single) if has_scores else float("nan")  # type: ignore[arg-type]
    if (published := PUBLISHED.get(method)) is not None:
        found["published_selected"], found["published_shared"] = published.selected, published.shared
        if same_labels(published):
            whole = N_POSITIVE + N_NEGATIVE
            found["published_f1"] = counts(published.selected, published.shared, N_POSITIVE, whole)["f1"]
    return found


def selection_table(
    selections: Mapping[tuple[str, int], tuple[NDArray[np.bool_], NDArray | None]],
    labels: Mapping[str, NDArray[np.bool_]],
) -> pd.DataFrame:
    """Rows of all (method, seed) -> (selected, scores or None), against `manual` and `truth`, and of nothing."""
    rows = []
    for against, single in labels.items():
        rows.append(row("nothing", against, np.zeros(len(single), bool), single))
        rows += [
            row(name, against, chosen, single, score, seed) for (name, seed), (chosen, score) in selections.items()
        ]
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


SUMMARY = {
    "method": "as in tables/selection.csv",
    "against": "manual or truth",
    "seeds": "trainings behind the means",
    "selected": "mean over seeds, as all that follow",
    "precision": "",
    "recall": "",
    "f1": "",
    "f1_sd": "standard deviation over seeds; missing of one",
    "f1_low": "lower end of the 95 % bootstrap interval of the mean, frames and seeds resampled",
    "f1_high": "its upper end",
    "pr_auc": "",
    "precision_at_recall_60": "",
    "ours_more": "mean F1 of ours less this one's",
    "ours_more_low": "lower end of its interval, frames and seeds of both resampled",
    "ours_more_high": "its upper end",
    "published_f1": "as in tables/selection.csv",
}
"""Of tables/summary.csv."""

MEANS = ("selected", "precision", "recall", "f1", "pr_auc", "precision_at_recall_60", "published_f1")


def summary_table(
    table: pd.DataFrame,
    selections: Mapping[tuple[str, int], tuple[NDArray[np.bool_], NDArray | None]],
    labels: Mapping[str, NDArray[np.bool_]],
) -> pd.DataFrame:
    """Rows of `selection_table` over the seeds of each method, and what ours has more; best F1 first."""
    chosen: dict[str, list[NDArray[np.bool_]]] = {}
    for (name, _), (one, _score) in selections.items():
        chosen.setdefault(name, []).append(one)
    rows = []
    for (against, name), some in table[table["method"] != "nothing"].groupby(["against", "method"], sort=False):
        single = labels[against]
        found: dict[str, object] = {"method": name, "against": against, "seeds": len(some)}
        found |= some[list(MEANS)].mean().to_dict()
        found["f1_sd"] = some["f1"].std()
        _, found["f1_low"], found["f1_high"] = f1_over_seeds(chosen[name], single)
        if "ours" in chosen and name != "ours":
            more = f1_over_seeds(chosen["ours"], single, chosen[name])
            found |= dict(zip(("ours_more", "ours_more_low", "ours_more_high"), more, strict=True))
        rows.append(found)
    told = pd.DataFrame(rows).reindex(columns=list(SUMMARY))
    return told.sort_values(["against", "f1"], ascending=[True, False], kind="stable", ignore_index=True)


def noise_audit(
    selections: Mapping[tuple[str, int], tuple[NDArray[np.bool_], NDArray | None]],
    manual: NDArray[np.bool_],
    truth: NDArray[np.bool_],
) -> pd.DataFrame:
    """How much of each method's error against `manual` is the annotator's: a row for each method and seed.

    A false alarm that is truly a single hit, and a miss that truly is none, are the annotator's errors.
    """
    rows = []
    for (name, seed), (chosen, _) in selections.items():
        alarms, misses = chosen & ~manual, ~chosen & manual
        excused = int((alarms & truth).sum() + (misses & ~truth).sum())
        errors = int(alarms.sum() + misses.sum())
        rows.append(
            {
                "method": name,
                "seed": seed,
                "false_alarms": int(alarms.sum()),
                "of_them_single": int((alarms & truth).sum()),
                "misses": int(misses.sum()),
                "of_them_not_single": int((misses & ~truth).sum()),
                "annotators_share": excused / errors if errors else float("nan"),
            }
        )
    return pd.DataFrame(rows)
