"""Tables of a run as files."""

from collections.abc import Mapping
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


def read_table(files: RunFiles, name: str) -> pd.DataFrame:
    """A table of the run; FileNotFoundError."""
    text = ("dataset", "condition", "trained_on", "model", "structure")
    return pd.read_csv(files.table(name), dtype=dict.fromkeys(text, str), keep_default_na=False, na_values=[""])
