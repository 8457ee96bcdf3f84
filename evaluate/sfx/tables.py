"""From predictions to `tables/sfx*.csv`.

sfx.csv              TIDY: a row for each table of the paper, training and dataset evaluated on
sfx_calibration.csv  how far probabilities are from frequencies, before and after Platt's law of validation frames
sfx_failures.csv     recall, or false alarms, against number of spots, their signal-to-noise ratio and background
sfx_speed.csv        milliseconds a frame of each step, and frames/s end to end on one core
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from evaluate.sfx.measures import best_threshold, calibrated, calibration_error, measures, recall_at
from train.config.hits import HitSystem, LearningConfig

TIDY = (
    *("table", "trained_on", "tested_on", "labels", "order", "seed", "system"),
    *("precision", "recall", "accuracy", "f1", "majority", "n", "recall_at_dann"),
)
"""Of sfx.csv; `recall_at_dann`: the highest recall of any threshold with at least the precision of the adversarial
network of the same pair, over its seeds."""

WHICH = ["system", "labels", "order", "seed", "trained_on", "tested_on"]

PEAKS = "peak finder"
"""The baseline: a threshold on the number of peaks, chosen on the labelled frames of the source."""

SPOT_EDGES = (0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 18, 26, 50, 10_000)
"""Numbers of spots that are told together; the failure is to call fewer than 4 a hit, and more a miss."""


def tables_of(system: HitSystem | None, labels: str, is_own: bool, labels_order: list[str]) -> Iterator[int]:
    """The paper's tables that a row belongs to; 0 is ours beyond it. None stands for the peak finder."""
    if system is None or system.network == "spots":
        yield 0
        return
    first = labels == labels_order[0]
    match system.method, system.takes:
        case "supervised", "image":
            yield 1 if first else 2
            if not is_own:
                yield 7
            if not is_own and first:
                yield 5
        case "supervised", "vectors":
            if is_own:
                yield 4
            else:
                yield 7
        case "transfer", _:
            yield 3
        case "adversarial", _:
            yield 5
        case _:
            yield 0
    yield 6


def tidy(predictions: pd.DataFrame, learning: LearningConfig) -> pd.DataFrame:
    """TIDY of test predictions; probabilities above 1/2 are hits."""
    test = predictions[predictions["split"] == "test"]
    adversarial = [name for name, system in learning.systems.items() if system.method == "adversarial"]
    dann = test[test["system"].isin(adversarial[:1])]
    precisions = {
        pair: np.mean([measures(one["label"] > 0, one["p_hit"] > 0.5).precision for _, one in rows.groupby("seed")])
        for pair, rows in dann.groupby(["trained_on", "tested_on"])
    }
    rows = []
    for key, one in test.groupby(WHICH, sort=False):
        which: dict[str, Any] = dict(zip(WHICH, key, strict=True))
        truth, p = one["label"].to_numpy() > 0, one["p_hit"].to_numpy()
        numbers = measures(truth, p > 0.5)._asdict()
        pair = which["trained_on"], which["tested_on"]
        numbers["recall_at_dann"] = recall_at(truth, p, float(precisions[pair])) if pair in precisions else np.nan
        system = learning.systems.get(which["system"])
        for table in tables_of(system, which["labels"], pair[0] == pair[1], list(learning.labels)):
            rows.append({"table": table, **which, **numbers})
    return pd.DataFrame(rows, columns=list(TIDY)).sort_values("table", kind="stable", ignore_index=True)


def by_peaks(counts: Mapping[str, np.ndarray], predictions: pd.DataFrame) -> pd.DataFrame:
    """What the number of peaks says, as predictions: of every training of a supervised system the same frames.

    `counts` are dataset -> peaks of each frame. The threshold is the best on the source's validation frames; p_hit is
    1 or 0, and `recall_at_dann` of it knows this threshold alone.
    """
    own = predictions[predictions["split"] == "validation"]
    own = own[own["trained_on"] == own["tested_on"]]
    first = own.groupby(["labels", "order", "seed", "trained_on"], sort=False)["system"].first()
    parts = []
    for (labels, order, seed, source), system in first.items():
        same = predictions[["labels", "order", "seed", "trained_on", "system"]] == [labels, order, seed, source, system]
        mine = predictions[same.all(axis=1)].copy()
        shown = mine[(mine["split"] == "validation") & (mine["tested_on"] == source)]
        least = best_threshold(shown["label"].to_numpy() > 0, counts[source][shown["row"].to_numpy()])
        found = [counts[name][row] for name, row in zip(mine["tested_on"], mine["row"], strict=True)]
        parts.append(mine.assign(system=PEAKS, p_hit=(np.array(found) >= least).astype(float)))
    return pd.concat(parts, ignore_index=True) if parts else predictions.iloc[:0]


def calibration(predictions: pd.DataFrame) -> pd.DataFrame:
    """Of each training and dataset evaluated on: calibration error of p_hit as it is, and after Platt's law."""
    rows = []
    keys = ["system", "labels", "order", "seed", "trained_on"]
    asked = predictions[predictions["system"] != PEAKS]
    for key, one in asked.groupby(keys, sort=False):
        # Of transfer the validation frames are of the target that it was adapted to.
        for name, test in one[one["split"] == "test"].groupby("tested_on", sort=False):
            shown = one[one["split"] == "validation"]
            near = shown[shown["tested_on"] == name]
            shown = near if len(near) else shown
            p = calibrated(shown["p_hit"].to_numpy(), shown["label"].to_numpy() > 0, test["p_hit"].to_numpy())
            truth = test["label"].to_numpy() > 0
            before, after = calibration_error(test["p_hit"].to_numpy(), truth), calibration_error(p, truth)
            rows.append({**dict(zip(keys, key, strict=True)), "tested_on": name, "before": before, "after": after})
    return pd.DataFrame(rows, columns=[*keys, "tested_on", "before", "after"])


def failures(predictions: pd.DataFrame, frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Share of frames that are called hits, in bins of what they are like, for each system, labels and whether own.

    `frames` are dataset -> a row for each frame with n_spots, snr (the median of its visible spots; NaN without) and
    background [ADU]. Bins of snr, hits alone, and of background are sixths of all frames.
    """
    test = predictions[(predictions["split"] == "test") & (predictions["order"] == "shuffled")].copy()
    about = pd.concat([table.assign(tested_on=name, row=np.arange(len(table))) for name, table in frames.items()])
    test = test.merge(about, on=["tested_on", "row"], how="left", validate="many_to_one")
    test["is_own"] = test["trained_on"] == test["tested_on"]
    test["said"] = test["p_hit"] > 0.5
    rows = []
    for quantity in ("n_spots", "snr", "background"):
        some = test if quantity == "n_spots" else test[test["label"] > 0]
        some = some[some[quantity].notna()]
        if some.empty:
            continue
        edges = (
            np.array(SPOT_EDGES)
            if quantity == "n_spots"
            else np.unique(np.quantile(some[quantity], np.linspace(0, 1, 7)))
        )
        if len(edges) < 2:
            continue
        which = np.clip(np.searchsorted(edges, some[quantity], side="right") - 1, 0, len(edges) - 2)
        grouped = some.groupby(["system", "labels", "is_own", which], sort=False)
        for (system, labels, is_own, number), one in grouped:
            rows.append(
                {
                    "system": system,
                    "labels": labels,
                    "is_own": is_own,
                    "quantity": quantity,
                    "low": edges[number],
                    "high": edges[number + 1],
                    "middle": one[quantity].median(),
                    "called_hit": one["said"].mean(),
                    "n": len(one),
                }
            )
    return pd.DataFrame(rows)
