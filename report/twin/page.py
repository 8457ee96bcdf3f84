"""One self-contained page about the twin networks of a run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.twin.outputs import (
    ALL_FOLDS,
    families_of,
    figure_names,
    fold_of,
    home,
    learners,
    main_condition,
    main_encoder,
    networks,
    unseen_datasets,
)
from frames.files import read_json
from report.describe.published import POSTER
from report.formatting import THIN, duration, enumerated, mean_and_deviation, number, percent, points, spoken
from report.page import data_uri, write_page
from report.twin.rows import SHOTS, classifier_of, read_table, unseen_rows
from train.config.twins import NONE

PUBLISHED = (("no noise", 0.9338), ("Poisson and Gaussian noise, σ = 0.15 photons", 0.8694))
"""SpeckleNN, Wang et al., IUCrJ 10, 568 (2023): single or multiple, of structures it did not train on."""

PUBLISHED_SHOTS = (20, 0.86, 0.185)
"""The same with labelled patterns: how many, accuracy, its deviation."""

SEEN = {
    "same": "neighbours",
    "test_triplets": "triplets",
    "training_triplets": "triplets",
    "retrieval": "neighbours",
    "verification": "distance",
}
"""Protocol -> the classifier that stands for it in the table of the poster's measure."""

ROUNDING = 1e-9
"""Of means of equal numbers."""

SHOWN_ELSEWHERE = ("table", "columns", "config", "structures", "training_seconds")
"""Of the provenance."""


@dataclass(frozen=True)
class Told:
    """How often one learner is right, over its seeds."""

    mean: float
    deviation: float
    """of one seed; NaN where there is but one"""
    n: int
    """seeds"""
    best: bool = False
    """of its column"""
    collapsed: int = 0
    """of the seeds, those of which a training behind this tells nothing apart"""

    def __str__(self) -> str:
        return spread(self.mean, self.deviation)


@dataclass(frozen=True)
class Headline:
    """What the main network does with unseen structures in the main condition."""

    told: Told
    majority: float
    n_test: int
    n_structures: int
    labels: int | None
    """labelled patterns, of each answer: the most there are"""
    with_labels: Told | None
    unlabelled: Told | None
    """with other patterns of the structure, without labels"""
    worst: tuple[str, float]
    """structure, and the mean over the seeds"""
    control: tuple[str, float] | None
    """the best one"""


def build_page(files: RunFiles, config: RunConfig, output: Path) -> None:
    """Write the page about the twin networks of a finished run.

    Raises
    ------
    FileNotFoundError naming the table or figure that the run lacks.
    """
    images = {name: data_uri(files.figure(name)) for name in figure_names(config)}
    table, each = read_table(files.table("twin")), read_table(files.table("twin_structures"))
    provenance = read_json(files.table("twin").with_suffix(".json"))
    main = main_encoder(config)
    write_page(
        Path(__file__).parent / "page.html.j2",
        (duration, enumerated, listed, mean_and_deviation, number, percent, points, spoken, spread),
        output,
        config=config,
        twins=config.twinned,
        settings=config.evaluation.twins,
        images=images,
        grids=[name for name, encoder in config.twinned.encoders.items() if encoder.is_grid],
        networks=networks(config),
        main=main,
        condition=main_condition(config),
        headline=headline(table, each, config),
        warnings=list(beaten(table, config)),
        unseen=unseen_table(unseen_rows(table, config), config),
        unlabelled=unseen_table(unseen_rows(table, config, protocol="unlabelled"), config),
        shots=shots_table(table, config),
        seen=seen_table(table, config),
        shot_names=SHOTS,
        by_family=main is not None and fold_of(config, main) == ALL_FOLDS,
        trained_on="" if main is None else home(config, main),
        structures=_structures(config, provenance),
        n_random=config.simulation.random_phantoms,
        provenance={key: value for key, value in provenance.items() if key not in SHOWN_ELSEWHERE},
        training_seconds=provenance["training_seconds"],
        poster=POSTER,
        published=PUBLISHED,
        published_shots=PUBLISHED_SHOTS,
    )


def spread(mean: float, deviation: float) -> str:
    """Two fractions in per cent: 59.9 ± 1.2"""
    return mean_and_deviation(mean, deviation, f"{THIN}±{THIN}")


def told(rows: pd.DataFrame) -> Told:
    """Of one row for each seed."""
    accuracy = rows["accuracy"]
    return Told(float(accuracy.mean()), float(accuracy.std()), len(rows), collapsed=int(rows["collapsed"].sum()))


def headline(table: pd.DataFrame, each: pd.DataFrame, config: RunConfig) -> Headline | None:
    """What matters most; None where the main network is evaluated on no unseen structure in the main condition."""
    main, condition = main_encoder(config), main_condition(config)
    if main is None or condition not in unseen_datasets(config, main):
        return None
    rows = unseen_rows(table, config)
    rows = rows[(rows["dataset"] == condition) & (rows["trained_on"] == home(config, main))]
    mine = rows[rows["encoder"] == main]
    settled = unseen_rows(table, config, protocol="unlabelled")
    settled = settled[
        (settled["dataset"] == condition) & (settled["trained_on"] == home(config, main)) & (settled["encoder"] == main)
    ]
    shots = _few_shot(table, config, main, "adapted")
    most = None if shots.empty else int(shots["labels"].max())
    of_structures = unseen_rows(each, config, each=True)
    of_structures = of_structures[
        (of_structures["encoder"] == main)
        & (of_structures["dataset"] == condition)
        & (of_structures["trained_on"] == home(config, main))
    ]
    by_structure = of_structures.groupby("structure")["accuracy"].mean()
    controls = rows[rows["encoder"].isin(config.evaluation.twins.baselines)].groupby("encoder")["accuracy"].mean()
    return Headline(
        told(mine),
        float(mine["majority_accuracy"].mean()),
        int(mine["n_test"].iloc[0]),
        int(mine["n_structures"].iloc[0]),
        most,
        None if most is None else told(shots[shots["labels"] == most]),
        None if settled.empty else told(settled),
        (str(by_structure.idxmin()), float(by_structure.min())),
        None if controls.empty else (str(controls.idxmax()), float(controls.max())),
    )


def beaten(table: pd.DataFrame, config: RunConfig) -> Iterator[Markup]:
    """Where a control, or the more frequent answer, is better than networks on unseen structures.

    Of the main condition of all networks, then of the others of the main one.

    The control is evaluated as the network is: it knows the same dataset, and the same structures are held out.
    """
    most = max(config.evaluation.twins.labels)
    questions = {
        "Without a label": ("unseen", 0),
        "With unlabelled patterns": ("unlabelled", 0),
        f"With {most} labels of either answer": ("few_shot", most),
    }
    controls, main = list(config.evaluation.twins.baselines), main_condition(config)
    for question, (protocol, labels) in questions.items():
        judged_by = {name: classifier_of(name, protocol) for name in (*networks(config), *controls)}
        asked_so = (table["protocol"] == protocol) & (table["labels"] == labels)
        rows = table[asked_so & (table["classifier"] == table["encoder"].map(judged_by))]
        for (trained_on, fold), some in rows.groupby(["trained_on", "fold"], sort=False):
            reached = some.pivot_table(index="encoder", columns="dataset", values="accuracy", sort=False)
            best = reached[reached.index.isin(controls)].max()
            mine = [name for name in networks(config) if name in reached.index and fold_of(config, name) == fold]
            lost = reached.loc[mine] < best - ROUNDING
            where = _trained(config, str(trained_on))
            if main in lost and (names := [name for name in mine if lost.at[name, main]]):
                control = (
                    f"{spoken(str(reached.loc[reached.index.isin(controls), main].idxmax()))} ({percent(best[main])})"
                )
                told = enumerated([f"{name} ({percent(reached.at[name, main])})" for name in names])
                yield Markup("{}, on {} the best control, {}, is better than {}{}.").format(
                    question, main, control, told, where
                )
            for name in [name for name in mine if name == main_encoder(config)]:
                if others := [condition for condition in lost if lost.at[name, condition] and condition != main]:
                    yield Markup("{}, a control is better than {}{} on {}.").format(
                        question, name, where, enumerated(others)
                    )
                majority = some.groupby("dataset")["majority_accuracy"].mean()
                if poor := [condition for condition in reached if reached.at[name, condition] <= majority[condition]]:
                    yield Markup("{}, {}{} is no better than always giving the more frequent answer on {}.").format(
                        question,
                        name,
                        where,
                        enumerated([f"{c} ({percent(reached.at[name, c])} to {percent(majority[c])})" for c in poor]),
                    )


def _trained(config: RunConfig, trained_on: str) -> str:
    """Said where it has to be: where networks are trained on several datasets."""
    datasets = {training.dataset for training in config.twinned.trainings}
    return f" trained on {trained_on}" if len(datasets) > 1 else ""


@dataclass(frozen=True)
class Row:
    """Of a table of learners."""

    name: str
    is_control: bool
    cells: Mapping[Any, Told]


def unseen_table(rows: pd.DataFrame, config: RunConfig) -> tuple[list[str], list[Row]]:
    """Conditions, and a row for each network, control and majority: accuracy on unseen structures."""
    return list(dict.fromkeys(rows["dataset"])), _rows(rows, config, "dataset")


def _rows(rows: pd.DataFrame, config: RunConfig, column: str) -> list[Row]:
    """Learners, networks first, then the majority; a cell for each value of a column, the best of each marked."""
    controls, found = config.evaluation.twins.baselines, []
    best = rows.groupby([column, "encoder", "trained_on"])["accuracy"].mean().groupby(level=0).max()
    order = [*networks(config), *controls]
    for (name, trained_on), mine in sorted(
        rows.groupby(["encoder", "trained_on"], sort=False), key=lambda some: order.index(str(some[0][0]))
    ):
        cells = {}
        for value, seeds in mine.groupby(column, sort=False):
            cell = told(seeds)
            cells[value] = replace(cell, best=bool(cell.mean >= best[value] - ROUNDING))
        found.append(Row(spoken(str(name)) + _trained(config, str(trained_on)), name in controls, cells))
    majority = rows.groupby(column)["majority_accuracy"].mean().dropna()
    if found:
        cells = {value: Told(float(share), np.nan, 1) for value, share in majority.items()}
        found.append(Row("always the most frequent answer", True, cells))
    return found


def _few_shot(table: pd.DataFrame, config: RunConfig, learner: str, classifier: str) -> pd.DataFrame:
    """Rows of the main condition, one for each number of labels and seed."""
    return table[
        (table["protocol"] == "few_shot")
        & (table["classifier"] == classifier)
        & (table["encoder"] == learner)
        & (table["trained_on"] == home(config, learner))
        & (table["dataset"] == main_condition(config))
        & (table["fold"] == fold_of(config, learner))
    ]


def shots_table(table: pd.DataFrame, config: RunConfig) -> tuple[list[int], dict[str, list[Row]]]:
    """Numbers of labels, and by classifier a row for each learner: the deviation is that over structures."""
    labels, tables = sorted(config.evaluation.twins.labels), {}
    for classifier in SHOTS:
        rows = []
        for learner in learners(config, main_condition(config)):
            some = _few_shot(table, config, learner, classifier)
            cells = {
                int(n): replace(told(seeds), deviation=float(seeds["deviation"].mean()))
                for n, seeds in some.groupby("labels")
            }
            rows.append(Row(spoken(learner), learner in config.evaluation.twins.baselines, cells))
        tables[classifier] = rows
    return labels, tables


def seen_table(table: pd.DataFrame, config: RunConfig) -> list[Row]:
    """What the poster's measure would say, beside held-out answers, in the dataset trained on; fold `none`.

    Verification is of unseen structures, in the main condition, the mean over folds.
    """
    parts = []
    for protocol, classifier in SEEN.items():
        rows = table[(table["protocol"] == protocol) & table["classifier"].isin([classifier, "clusters"])]
        if protocol == "verification":
            rows = rows[rows["dataset"] == main_condition(config)].assign(accuracy=rows["roc_auc"])
            keys = ["encoder", "trained_on", "protocol", "seed"]
            rows = rows.groupby(keys, sort=False)[["accuracy", "collapsed"]].agg(
                {"accuracy": "mean", "collapsed": "max"}
            )
            parts.append(rows.reset_index())
        else:
            parts.append(rows[(rows["dataset"] == rows["trained_on"]) & (rows["fold"] == NONE)])
    rows = pd.concat(parts, ignore_index=True)
    return _rows(
        rows[rows["encoder"].isin([*networks(config), *config.evaluation.twins.baselines])], config, "protocol"
    )


def _structures(config: RunConfig, provenance: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """Family -> records of its structures; those made up by chance are not listed."""
    records = {record["id"]: record for record in provenance["structures"]}
    return {family: [records[one] for one in members] for family, members in families_of(config, list(records)).items()}


def listed(values: Any) -> str:
    """A value of the provenance, in words."""
    return values if isinstance(values, str) or not isinstance(values, Sequence) else "; ".join(map(str, values))
