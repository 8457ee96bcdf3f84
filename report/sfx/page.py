"""One self-contained page about how hits of crystals are found, from tables and arrays of a finished run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from evaluate.run.files import RunFiles
from evaluate.sfx.config import SfxRun
from evaluate.sfx.outputs import FIGURES, TABLES, features_file, page_file
from frames.files import read_arrays
from report.formatting import enumerated, mean_and_deviation, number, percent
from report.page import data_uri, write_page
from report.sfx import figures

TITLES = {
    1: "Sufficient training: 2-D networks, each tested on its own and on the other datasets",
    2: "Insufficient training: the same with few labels",
    3: "Transfer: base of a network of the source, few labelled frames of the target",
    4: "Row vectors and a 1-D network, few labels",
    5: "Without a label of the target: adversarial, and source-only beside it",
    6: "Comparison of all",
    7: "Across datasets: 1-D networks and 2-D networks",
    0: "Beyond the paper: ours, and the peak finder",
}
"""Table of Opt. Express (2023), arXiv 2309.04474 -> what it is about."""

MEASURES = ("recall", "precision", "accuracy", "f1")
KEYS = ["system", "labels", "order", "trained_on", "tested_on"]


@dataclass(frozen=True)
class Row:
    """Of a table on the page."""

    heads: tuple[str, ...]
    cells: tuple[str, ...]
    """mean ± deviation over the seeds [%]"""
    majority: str
    n: int


def rows_of(table: pd.DataFrame, which: int) -> list[Row]:
    """A table as the paper lays it out: systems, trained on, tested on; means and deviations over seeds."""
    some = table[table["table"] == which]
    result = []
    for key, one in some.groupby(KEYS, sort=False):
        cells = [mean_and_deviation(one[name].mean(), one[name].std()) for name in MEASURES]
        at = one["recall_at_dann"]
        cells.append(mean_and_deviation(at.mean(), at.std()) if at.notna().any() else "")
        majority, n = percent(one["majority"].mean()), round(float(one["n"].mean()))
        result.append(Row(tuple(map(str, key)), tuple(cells), majority, n))
    return result


def compared(table: pd.DataFrame, speed: pd.DataFrame, labels: dict[str, str]) -> list[dict[str, str]]:
    """Table 6: of each system its labels, recall and accuracy on its own and on other datasets, and its speed."""
    unique = table.drop_duplicates([*KEYS, "seed"])
    unique = unique[unique["order"] == unique["order"].iloc[0]]
    result = []
    for (system, label), one in unique.groupby(["system", "labels"], sort=False):
        own = one["trained_on"] == one["tested_on"]
        told = {"system": str(system), "labels": labels.get(str(label), str(label))}
        for name, some in (("own", one[own]), ("other", one[~own])):
            for measure in ("recall", "accuracy"):
                mean = float(some[measure].mean()) if len(some) else np.nan
                told[f"{name}_{measure}"] = percent(mean)
        told |= {"network": "", "whole": "", "parameters": ""}  # of the peak finder, which is no network
        fast = speed[speed["system"] == system]
        if len(fast):
            first = fast.iloc[0]
            told["network"] = number(first["network_per_s"])
            told["whole"] = number(first["end_to_end_per_s"])
            told["parameters"] = f"{int(first['parameters']):,}"
        result.append(told)
    return result


def build_page(run: SfxRun, files: RunFiles) -> None:
    """Draw the figures of a finished run and write its page. FileNotFoundError names the table that it lacks."""
    tables = {name: pd.read_csv(files.table(name)) for name in TABLES}
    shown, names = read_arrays(features_file(files)), list(run.sfx.datasets)
    draw(files, tables, shown, names)
    learning = run.sfx.learned
    labels = {name: f"{one.train} + {one.validation} ({name})" for name, one in learning.labels.items()}
    errors = tables["sfx_calibration"].groupby(["system", "labels"], sort=False)[["before", "after"]].mean()
    write_page(
        Path(__file__).parent / "page.html.j2",
        (enumerated, number, percent),
        page_file(files),
        run=run,
        learning=learning,
        names=names,
        titles=TITLES,
        rows={which: rows_of(tables["sfx"], which) for which in TITLES},
        compared=compared(tables["sfx"], tables["sfx_speed"], labels),
        calibration=errors.reset_index().to_dict("records"),
        overlaps=tables["sfx_overlap"].to_dict("records"),
        speed=tables["sfx_speed"].to_dict("records"),
        n_seeds=len(learning.seeds),
        hot=[(name, len(shown[f"hot_{name}"]), shown[f"looked_at_{name}"]) for name in names],
        images={name: data_uri(files.figure(name)) for name in FIGURES},
    )


def draw(files: RunFiles, tables: dict[str, pd.DataFrame], shown: figures.Arrays, names: list[str]) -> None:
    """Every figure of `FIGURES`."""
    figures.frames(files.figure("sfx_frames.png"), shown, names)
    figures.contrast(files.figure("sfx_contrast.png"), shown)
    figures.recall(files.figure("sfx_recall.svg"), tables["sfx"])
    figures.embedding(files.figure("sfx_embedding.svg"), shown, tables["sfx_overlap"])
    figures.dann(files.figure("sfx_dann.svg"), tables["sfx_training"])
    figures.failures(files.figure("sfx_failures.svg"), tables["sfx_failures"])
    figures.mistakes(files.figure("sfx_mistakes.png"), shown, names)
