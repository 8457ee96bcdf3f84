"""From which probability on a frame is kept: given, or the one at which a run's validation reached a purity or a yield.

Purities are taken from the run's table of selections (tables/selection.csv; docs/results), where thresholds are those
that can be trusted to reach them. A yield is found from the run's predictions: the highest threshold that kept at least
that share of the validation split's single hits, at the lower end of Wilson's one-sided 95 % interval. A model that was
taken out of its run needs a `selection.csv` beside it, of which each row has a threshold and a target_purity or a
target_yield.
"""

import csv
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from frames.files import read_table

Z = 1.644854
"""Standard deviations that 95 % of a normal distribution lie above, to one side."""


class Threshold(NamedTuple):
    """From which probability on a frame is kept, and why."""

    value: float
    said: str


def threshold_of(
    model: Path, *, given: float | None = None, purity: float | None = None, yield_: float | None = None
) -> Threshold:
    """The threshold of a model, by the one of three ways that is given.

    ValueError where not exactly one is; where the target is none of the table's, or cannot be trusted to be reached.
    FileNotFoundError where there is no table, or are no predictions.
    """
    targets = [value for value in (given, purity, yield_) if value is not None]
    if len(targets) != 1 or not 0 <= targets[0] <= 1:
        raise ValueError("give one of --purity, --yield and --threshold, a number from 0 to 1")
    if given is not None:
        return Threshold(given, "as given")
    if purity is not None:
        path, rows = _selections(model, "target_purity")
        return _of_row(path, rows, "target_purity", purity)
    assert yield_ is not None
    if (beside := model.parent / "selection.csv").exists():
        return _of_row(beside, _rows(beside), "target_yield", yield_)
    path = _predictions(model)
    score, is_single = _validation(path)
    value = threshold_for_yield(yield_, score[is_single])
    if math.isnan(value):
        raise ValueError(
            f"{path}: {is_single.sum()} single hits are too few to trust a yield of {yield_}; ask for less"
        )
    return Threshold(value, f"yield {yield_} on {is_single.sum()} single hits of the validation split, {path}")


def threshold_for_yield(target: float, score: NDArray[np.floating]) -> float:
    """The highest threshold that can be trusted to keep a share of single hits with scores (n,); NaN where none can.

    Of n single hits k are kept; the lower end of Wilson's interval of k/n is to reach the target.
    """
    n = len(score)
    kept = np.arange(1, n + 1)
    p = kept / n
    lower = (p + Z**2 / (2 * n) - Z * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))) / (1 + Z**2 / n)
    trusted = kept[lower >= target]
    return float(np.sort(score)[::-1][trusted[0] - 1]) if len(trusted) else math.nan


def _of_row(path: Path, rows: list[dict[str, str]], column: str, target: float) -> Threshold:
    there = sorted({row[column] for row in rows if row.get(column)})
    found = [row for row in rows if row.get(column) and math.isclose(float(row[column]), target, abs_tol=1e-9)]
    if not found:
        raise ValueError(
            f"{path} has no {column} {target} for this model; it has {', '.join(there) or 'none'}: ask for one of "
            "these, or give --threshold"
        )
    if not found[0]["threshold"]:
        raise ValueError(
            f"{path}: no threshold can be trusted to reach {column} {target}; ask for less, or train longer"
        )
    return Threshold(float(found[0]["threshold"]), f"{column} {target} of {path}")


def _selections(model: Path, column: str) -> tuple[Path, list[dict[str, str]]]:
    """The rows of a model, in a table beside it or in its run's."""
    if (beside := model.parent / "selection.csv").exists():
        return beside, _rows(beside)
    of_run = _run(model)
    if of_run is None or not (path := of_run.folder / "tables" / "selection.csv").exists():
        raise FileNotFoundError(
            f"there is no selection.csv beside {model}, and no run around it with tables/selection.csv; write one with "
            f"the columns {column} and threshold, or give --threshold"
        )
    names = {"dataset": of_run.dataset, "model": of_run.model, "seed": of_run.seed}
    return path, [row for row in _rows(path) if all(row.get(key) == value for key, value in names.items())]


def _predictions(model: Path) -> Path:
    of_run = _run(model)
    if of_run is not None:
        folder = of_run.folder / "predictions" / of_run.dataset / of_run.dataset
        path = folder / f"{of_run.model}-seed{of_run.seed}.parquet"
        if path.exists():
            return path
    raise FileNotFoundError(
        f"a yield is found from a run's predictions, and there are none around {model}; write selection.csv beside it "
        "with the columns target_yield and threshold, or give --threshold"
    )


class _Run(NamedTuple):
    """Where a model of a run lies in it."""

    folder: Path
    dataset: str
    model: str
    seed: str


def _run(model: Path) -> _Run | None:
    """Of .../models/<dataset>/<model>/seed<n>/model.pt; None of a model elsewhere."""
    path = model.resolve()
    if len(path.parents) < 5 or path.parents[3].name != "models" or not path.parent.name.startswith("seed"):
        return None
    seed = path.parent.name.removeprefix("seed")
    return _Run(path.parents[4], path.parents[2].name, path.parents[1].name, seed)


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    if not rows or "threshold" not in rows[0]:
        raise ValueError(f"{path} has no column threshold, or no row; expected a table of selections")
    return rows


def _validation(path: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(n,) probability of one particle, and (n,) whether it was one, of the validation split."""
    table = read_table(path)
    if "p_hit_multiplicity_1" not in table.column_names:
        raise ValueError(f"{path} has no p_hit_multiplicity_1: single hits are none of the run's; give --threshold")
    rows = np.asarray(table["split"].to_pylist()) == "validation"
    return table["p_hit_multiplicity_1"].to_numpy()[rows], table["hit_multiplicity"].to_numpy()[rows] == 1
