"""Figures of accuracy drawn again from committed tables: cnn.csv, generalisation.csv, and what cnn.json says; twin.csv.

python -m report.redraw docs/results/standins docs/results/ours

Whatever of `accuracies.svg`, `transfers_<dataset>.svg` and `twin_conditions.svg` lies beside the tables is replaced;
which datasets are shown, the figure that is there says. Others need what is not committed: histories of trainings
(`training_...`), curves (`reliability_...`, `selection_...`, `twin_roc`), photons in patterns (`photon_curve`), answers
structure by structure (`twin_per_structure`).
"""

import math
import re
import sys
from collections.abc import Container, Sequence
from pathlib import Path

import pandas as pd

from evaluate.run.config import load_config
from evaluate.run.config_files import read_config
from evaluate.run.sections import BASELINES, MAJORITY
from frames.files import read_json
from frames.provenance import ROOT
from frames.targets import shot_targets
from report.classification.figures import accuracy
from report.classification.mistakes import Classes
from report.classification.results import Result, Training, Transfer, learn_features
from report.classification.scores import most_accurate, read_scores
from report.describe.published import published_for
from report.twin.draw import draw_conditions
from report.twin.rows import read_table as read_twins
from simulate.experiment.config import DatasetConfig

NOT_COMMITTED = Training(0, 0.0)
"""What a training took, which these figures do not show."""


def result_of(folder: Path, dataset: str) -> Result:
    """What was learned from one dataset, as far as accuracies and transfers show it.

    FileNotFoundError; ValueError where the table has no row of the dataset.
    """
    table = _table(folder, "cnn", dataset=dataset)
    simulation = read_json(folder / "cnn.json")["config"]["simulation"]
    scores = read_scores(table)
    trained = [one.name for one in scores if one.name not in (*BASELINES, MAJORITY)]
    networks = learn_features(trained)
    best = most_accurate([one for one in scores if one.name in networks])
    names = [one["id"] for one in simulation["structures"]]
    targets = shot_targets(names, simulation["plan"]["hit_multiplicities"])
    return Result(
        dataset=dataset,
        targets=targets,
        n_train=int(table["n_train"].iloc[0]),
        n_test=int(table["n_test"].iloc[0]),
        networks=[one for one in scores if one.name in networks],
        baselines=[one for one in scores if one.name not in networks],
        trainings=dict.fromkeys(trained, NOT_COMMITTED),
        classes=Classes(best.name, best.seeds[0], {}, {}, {}),
        published=published_for(
            DatasetConfig.model_validate(simulation["datasets"][dataset]),
            math.prod(len(target.classes) for target in targets),
        ),
        bayes_limits=[],
    )


def transfers_of(folder: Path, trained_on: str, datasets: Sequence[str]) -> list[Transfer]:
    """How what was trained on one dataset does on others."""
    table = _table(folder, "generalisation", trained_on=trained_on)
    return [
        Transfer(
            trained_on=trained_on,
            dataset=dataset,
            n_test=int(rows["n_test"].iloc[0]),
            majority=float(rows["majority_accuracy"].iloc[0]),
            models=read_scores(rows),
        )
        for dataset in datasets
        for rows in [table[table["dataset"] == dataset]]
    ]


def _table(folder: Path, name: str, **values: str) -> pd.DataFrame:
    table = pd.read_csv(folder / f"{name}.csv")
    for column, value in values.items():
        table = table[table[column] == value]
    if table.empty:
        raise ValueError(f"{folder / name}.csv has no row of {values}: it is not the table of the figure")
    return table


def words(figure: Path, known: Container[str]) -> list[str]:
    """Those of these words that a figure shows, in its order; matplotlib writes a text into a comment beside it."""
    found = re.findall(r"<!-- (\S+)(?: \(its own\))? -->", figure.read_text(encoding="utf-8"))
    return list(dict.fromkeys(word for word in found if word in known))


def redraw(folder: Path) -> list[Path]:
    """The figures of a folder that were drawn again."""
    drawn = []
    if (figure := folder / "accuracies.svg").exists():
        trained = set(pd.read_csv(folder / "cnn.csv")["dataset"])
        accuracy.accuracies(figure, [result_of(folder, dataset) for dataset in words(figure, trained)])
        drawn.append(figure)
    for figure in sorted(folder.glob("transfers_*.svg")):
        name = figure.stem.removeprefix("transfers_")
        asked = set(_table(folder, "generalisation", trained_on=name)["dataset"]) - {name}
        accuracy.transfers(figure, result_of(folder, name), transfers_of(folder, name, words(figure, asked)))
        drawn.append(figure)
    if (figure := folder / "twin_conditions.svg").exists():
        table = read_twins(folder / "twin.csv")
        (run,) = set(table["run"])
        config = ROOT / "config" / f"{run}.yaml"  # the one that was recorded has keys of its time
        draw_conditions(table, load_config(read_config(config), [config]), figure)
        drawn.append(figure)
    return drawn


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        print(*redraw(Path(folder)), sep="\n")
