"""Tables of a run as files."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from evaluate.run.files import RunFiles
from frames.files import atomic_path, write_json


def write_table(table: pd.DataFrame, path: Path, columns: Mapping[str, str], provenance: Mapping[str, Any]) -> None:
    """Write these columns as CSV, and what they mean and where they come from as JSON beside it."""
    with atomic_path(path) as temporary:
        table[list(columns)].to_csv(temporary, index=False, float_format="%.9g")
    write_json(path.with_suffix(".json"), {"table": path.name, "columns": dict(columns), **provenance})


NAMES = ("run", "dataset", "trained_on", "model", "label", "predicted")
"""Columns of words, which a reader of CSV may take for numbers."""


def read_table(files: RunFiles, name: str, words: Collection[str] = ()) -> pd.DataFrame:
    """A table of the run; FileNotFoundError, or ValueError where its columns have other names by now.

    Parameters
    ----------
    words : other columns of words, as targets whose classes are.
    """
    path = files.table(name)
    table = pd.read_csv(path, dtype=dict.fromkeys((*NAMES, *words), str), keep_default_na=False, na_values=[""])
    check_columns(table, path)
    return table


_ACCURACIES = {
    "count_accuracy": "hit_multiplicity_accuracy",
    "particle_accuracy": "structure_accuracy",
    "single_hit_accuracy": "hit_multiplicity_1_accuracy",
}
_HEAD = {"head": "target"}

RENAMED: Mapping[str, Mapping[str, str]] = {
    "cnn": _ACCURACIES,
    "generalisation": _ACCURACIES,
    "per_class": {"count_recall": "hit_multiplicity_recall", "particle_recall": "structure_recall"},
    "limit": {"particle_accuracy": "structure_accuracy"},
    "calibration": _HEAD,
    "reliability": _HEAD,
}
"""Table -> column as it was called -> as it follows from a dataset's targets."""

HEADS = {"count": "hit_multiplicity", "particle": "structure", "single": "hit_multiplicity_1"}
"""What `head` said -> what `target` says of it."""


def renamed(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """A table of shots at particles by its name, with columns as they are called now; the same where they are."""
    table = table.rename(columns=RENAMED.get(name, {}))
    if name in ("calibration", "reliability"):
        table["target"] = table["target"].replace(HEADS)
    if name in ("selection", "purity") and "target" not in table:
        table.insert(table.columns.get_loc("seed") + 1, "target", "hit_multiplicity")
    return table


def check_columns(table: pd.DataFrame, path: Path) -> None:
    """ValueError where a table is older than its columns' names: `condition` is `dataset` now, and that was `run`."""
    if "condition" in table.columns:
        raise ValueError(
            f"{path} has a column `condition`, so it was made before columns `dataset` and `condition` were called "
            "`run` and `dataset`; run snakemake again with the run's config, which makes it anew"
        )
    columns = RENAMED.get(path.stem, {})
    if old := [name for name in columns if name in table.columns]:
        raise ValueError(
            f"{path} has a column `{old[0]}`, which is `{columns[old[0]]}` now; run snakemake again with the run's "
            "config, which makes it anew"
        )
