"""The page about hit finding: its rows say what the table says, and every figure is drawn, also of a run without."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluate.run.files import RunFiles
from evaluate.sfx.outputs import FIGURES
from evaluate.sfx.tables import TIDY
from report.sfx.page import compared, draw, rows_of


def table() -> pd.DataFrame:
    rows = []
    for seed, recall in enumerate((0.5, 0.7)):
        for target in ("a", "b"):
            which = (4 if target == "a" else 7, "a", target, "few", "shuffled", seed, "rows")
            rows.append((*which, 0.9, recall, 0.8, 0.6, 0.5, 100, np.nan))
    return pd.DataFrame(rows, columns=list(TIDY))


def test_rows_are_means_and_deviations_over_seeds() -> None:
    (row,) = rows_of(table(), 4)
    assert row.heads == ("rows", "few", "shuffled", "a", "a")
    assert row.cells[:3] == ("60.0 ± 14.1", "90.0 ± 0.0", "80.0 ± 0.0")  # 0.5 and 0.7: deviation 0.1 √2
    assert row.cells[-1] == ""
    assert rows_of(table(), 3) == []


def test_comparison_parts_own_and_others() -> None:
    speed = pd.DataFrame(
        {"system": ["rows"], "network_per_s": [15000.0], "end_to_end_per_s": [80.0], "parameters": [3000]}
    )
    (told,) = compared(table(), speed, {"few": "60 + 60 (few)"})
    assert told["own_recall"].startswith("60.0")
    assert told["labels"] == "60 + 60 (few)"
    assert told["parameters"] == "3,000"
    (without,) = compared(table(), speed.iloc[:0], {})
    assert without["network"] == without["whole"] == without["parameters"] == ""


@pytest.mark.parametrize("is_full", [True, False])
def test_every_figure_is_drawn(tmp_path: Path, is_full: bool) -> None:
    generator, files = np.random.default_rng(0), RunFiles(tmp_path)
    quantities = ("n_spots", "snr", "background")
    tables = {
        "sfx": table(),
        "sfx_failures": pd.DataFrame(
            [("rows", "few", own, q, 1, 5, 2.0, 0.4, 9) for q in quantities for own in (True, False)],
            columns=["system", "labels", "is_own", "quantity", "low", "high", "middle", "called_hit", "n"],
        ),
        "sfx_overlap": pd.DataFrame(
            {"system": ["cnn", "dann"], "trained_on": "a", "tested_on": "b", "overlap": [0.2, 0.7]}
        ),
        "sfx_training": pd.DataFrame(),
    }
    shown = {}
    if is_full:
        for key in ("class_a_miss", "class_a_hit", "mistake_a_missed"):
            shown |= {key: generator.random((600, 600)), f"{key}_spots": np.array([[100.0, 200.0]])}
        shown["mistake_a_missed_p"] = np.array([0.2, 11])
        shown |= {"contrast_seed": generator.random((60, 60)), "rows_seed": generator.random(60)}
        for key in ("source_only", "adversarial"):
            shown |= {f"map_{key}": generator.random((40, 2)), f"map_{key}_target": np.arange(40) > 19}
            shown[f"map_{key}_label"] = np.arange(40) % 3
        losses = {name: [0.5, 0.4] for name in ("validation_loss", "domain_loss")}
        shares = {name: [0.5, 0.9] for name in ("validation_accuracy", "domain_accuracy")}
        which = {"system": "dann", "trained_on": "a", "tested_on": "b", "seed": 0, "epoch": [1, 2]}
        tables["sfx_training"] = pd.DataFrame(which | losses | shares)
    draw(files, tables, shown, ["a"])
    assert all(files.figure(name).stat().st_size > 100 for name in FIGURES)
