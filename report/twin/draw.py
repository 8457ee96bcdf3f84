"""From the tables of a run to the figures of its twin networks: each can be drawn again from them alone."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.twin.outputs import (
    NO_FAMILY,
    families_of,
    has_unseen,
    home,
    main_condition,
    main_encoder,
    networks,
    unseen_datasets,
    unseen_structures,
)
from evaluate.twin.shown import read_patterns
from report.classification.draw import Drawing
from report.formatting import percent
from report.twin.figures import accuracy, embedding
from report.twin.rows import (
    SHOTS,
    _of,
    _pairs,
    best_control,
    few_shot_rows,
    grid_tables,
    read_table,
    unseen_rows,
)


def draw_figures(files: RunFiles, config: RunConfig) -> None:
    """Draw every figure of `evaluate.twin.outputs.figure_names`; FileNotFoundError where the run is not that far."""
    for name, draw in drawings(files, config).items():
        draw(files.figure(name))


def drawings(files: RunFiles, config: RunConfig) -> dict[str, Drawing]:
    """Every figure of a run's twin networks by its name, in the order of `evaluate.twin.outputs.figure_names`."""
    encoders, main = config.twinned.encoders, main_encoder(config)
    found: dict[str, Drawing] = {
        f"twin_grid_{name}.svg": partial(_grid, files, config, name)
        for name, encoder in encoders.items()
        if encoder.is_grid
    }
    found |= {f"twin_evolution_{name}.png": partial(_evolution, files, name) for name in networks(config)}
    if main is None:
        return found
    found[f"twin_map_{main}.png"] = partial(_map, files, config)
    if has_unseen(config):
        found |= {
            "twin_roc.svg": partial(_roc, files, config),
            "twin_few_shot.svg": partial(_few_shot, files, config, main),
            "twin_per_structure.svg": partial(_per_structure, files, config, main),
            "twin_gallery.png": partial(_gallery, files, config),
        }
    if unseen_datasets(config, main):
        found["twin_conditions.svg"] = partial(_conditions, files, config)
    return found


def _grid(files: RunFiles, config: RunConfig, encoder: str, path: Path) -> None:
    accuracy.grid(path, *grid_tables(read_table(files.table("twin")), config, encoder))


def _evolution(files: RunFiles, encoder: str, path: Path) -> None:
    table = read_table(files.table("twin_evolution"))
    table = table[table["encoder"] == encoder]
    panels = {
        f"epoch {epoch + 1} of {rows['epochs'].iloc[0]}" if rows["epochs"].iloc[0] > 1 else "after training": rows
        for epoch, rows in table.groupby("epoch")
    }
    first, axis = next(iter(panels.values())), table["axis"].iloc[0]
    embedding.evolution(
        path,
        {title: rows[["x", "y"]].to_numpy() for title, rows in panels.items()},
        first["is_single"].to_numpy(bool),
        (f"{axis} 1", f"{axis} 2"),
    )


def _map(files: RunFiles, config: RunConfig, path: Path) -> None:
    table = read_table(files.table("twin_map"))
    there = set(table["structure"])
    shown = families_of(config, [one for one in config.simulation.selected(main_condition(config)) if one in there])
    if (others := shown.pop(NO_FAMILY, None)) and len(others) <= len(embedding.MARKERS):
        shown[NO_FAMILY] = others
    elif "" in shown:  # no families at all: a colour each
        shown = {structure: [structure] for structure in shown[""][: len(embedding.MARKERS)]}
    structure = table["structure"].to_numpy(str)
    embedding.embedding_map(path, table[["x", "y"]].to_numpy(), table["hit_multiplicity"].to_numpy(), structure, shown)


def _roc(files: RunFiles, config: RunConfig, path: Path) -> None:
    curves = {
        str(name): (
            (rows["false_positive_rate"].to_numpy(), rows["true_positive_rate"].to_numpy()),
            float(rows["roc_auc"].iloc[0]),
        )
        for name, rows in read_table(files.table("twin_roc")).groupby("encoder", sort=False)
    }
    accuracy.roc(path, curves, config.evaluation.twins.baselines)


def _main_rows(files: RunFiles, config: RunConfig, table: str = "twin") -> pd.DataFrame:
    """How unseen structures were told in the main condition."""
    rows = unseen_rows(read_table(files.table(table)), config, each=table == "twin_structures")
    return rows[rows["dataset"] == main_condition(config)]


def _few_shot(files: RunFiles, config: RunConfig, main: str, path: Path) -> None:
    table, rows = read_table(files.table("twin")), _main_rows(files, config)
    mine = rows[_of(rows, config, main)]
    accuracy.few_shot(
        path,
        {said: few_shot_rows(table, config, main, classifier) for classifier, said in SHOTS.items()},
        float(mine["accuracy"].mean()),
        float(mine["majority_accuracy"].mean()),
    )


def _per_structure(files: RunFiles, config: RunConfig, main: str, path: Path) -> None:
    each = _main_rows(files, config, "twin_structures")
    condition = main_condition(config)
    control = best_control(_main_rows(files, config), config, condition)
    accuracy.per_structure(
        path,
        families_of(config, unseen_structures(config, main, condition)),
        (main, each[_of(each, config, main)]),
        None if control is None else (control, each[_of(each, config, control)]),
    )


def _gallery(files: RunFiles, config: RunConfig, path: Path) -> None:
    said = read_patterns(files)

    def row(is_right: bool) -> list[embedding.Shown]:
        return [
            embedding.Shown(
                said.patterns[n], float(said.p_single[n]), int(said.hit_multiplicity[n]), str(said.structure[n])
            )
            for n in np.flatnonzero(said.is_right == is_right)
        ]

    rows = {
        f"Right ({percent(said.right)}): drawn at random": row(True),
        f"Wrong ({percent(1 - said.right)}): the surest first": row(False),
    }
    embedding.gallery(path, rows, config.simulation.datasets[main_condition(config)].record != "expected")


def _conditions(files: RunFiles, config: RunConfig, path: Path) -> None:
    draw_conditions(read_table(files.table("twin")), config, path)


def draw_conditions(table: pd.DataFrame, config: RunConfig, path: Path) -> None:
    """`twin_conditions.svg` of a run's table `twin`."""
    rows = unseen_rows(table, config)
    rows = rows[[trained_on == home(config, name) for name, trained_on in _pairs(rows)]]
    accuracy.conditions(path, rows.rename(columns={"encoder": "learner"}), config.evaluation.twins.baselines)
