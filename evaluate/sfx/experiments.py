"""One system, trained on one dataset from every seed, evaluated on its own test frames and on the others."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray

from evaluate.run.files import RunFiles
from evaluate.sfx.config import SfxRun
from evaluate.sfx.outputs import models_folder, prepared_file
from evaluate.sfx.prepared import data_of, read_prepared
from frames.files import write_table
from train.batches.hits import HitData, Order, Split, split_rows
from train.config.hits import HitSystem, LearningConfig
from train.tasks.domain_adversarial import fit_adversarial
from train.tasks.find_hits import TrainedHits, fit_hits, hit_probability, load_hits, predict_logits
from train.tasks.self_training import fit_self_training
from train.tasks.transfer import fit_transfer

COLUMNS = ("system", "labels", "order", "seed", "trained_on", "tested_on", "split", "row", "label", "p_hit")
"""Of predictions: a row for each frame predicted; `split` is validation or test."""


class Case(NamedTuple):
    """One training."""

    order: Order
    labels: str
    seed: int
    target: str
    """that is adapted to; empty where a system knows its source alone"""

    @property
    def folder(self) -> str:
        """Below that of the system and its source."""
        return f"{self.order}-{self.labels}-seed{self.seed}" + (f"-to-{self.target}" if self.target else "")


def cases(learning: LearningConfig, name: str, source: str, datasets: list[str]) -> Iterator[Case]:
    """Every training of a system from a source; what is adapted is so in the first order alone."""
    system = learning.systems[name]
    adapts = system.method != "supervised"
    for order in learning.orders[:1] if adapts else learning.orders:
        for labels in system.labels:
            for seed in learning.seeds_of(name):
                for target in [other for other in datasets if other != source] if adapts else [""]:
                    yield Case(order, labels, seed, target)


def model_folder(models: Path, source: str, name: str, case: Case) -> Path:
    """Where a training's files lie."""
    return models / source / name / case.folder


def final_model(folder: Path, system: HitSystem) -> Path:
    """The network that a training came to, in its folder: that of its last phase or round."""
    if system.method == "transfer":
        last = len(system.recipe.frozen_blocks) - 1
        return folder / f"phase{last}-frozen{system.recipe.frozen_blocks[last]}" / "model.pt"
    return folder / (f"round{system.recipe.rounds}" if system.method == "self_training" else "") / "model.pt"


def run_system(
    learning: LearningConfig,
    name: str,
    source: str,
    data: Mapping[str, HitData],
    models: Path,
    device: torch.device,
    measure_threads: bool = True,
) -> pd.DataFrame:
    """Train a system on one dataset and give its predictions, `COLUMNS`.

    Parameters
    ----------
    data :   dataset -> its frames as the system takes them, the source among them.
    models : folder of all trainings; what ended there is not trained again.
    """
    system, tables = learning.systems[name], []
    about = _preprocessing(learning, system)
    for case in cases(learning, name, source, list(data)):
        sizes = learning.labels[case.labels].sizes
        folder = model_folder(models, source, name, case)
        own = _split(data[source], sizes, case)
        parts = data[source].take(own.train), data[source].take(own.validation)
        common = system.recipe, case.seed, device, folder, about
        base = None if system.base is None else _base(learning, system, models, source, case, device)
        asked: list[tuple[HitData, str, NDArray[np.int64]]] = []
        if system.method == "supervised":
            trained = fit_hits(system.network, parts[0], parts[1], *common, measure_threads=measure_threads)
            asked = [(data[source], "validation", own.validation), (data[source], "test", own.test)]
            asked += [(other, "test", other.row) for key, other in data.items() if key != source]
        elif system.method == "transfer":
            target = data[case.target]
            theirs = _split(target, sizes, case)
            parts = target.take(theirs.train), target.take(theirs.validation)
            assert base is not None
            trained = fit_transfer(base, parts[0], parts[1], *common, measure_threads=measure_threads)
            asked = [(target, "validation", theirs.validation), (target, "test", theirs.test)]
        else:
            target = data[case.target]
            given = system.network, parts[0], parts[1], target, *common
            if system.method == "adversarial":
                trained = fit_adversarial(*given, start=base, measure_threads=measure_threads)
            else:
                trained = fit_self_training(*given, measure_threads=measure_threads)
            asked = [(data[source], "validation", own.validation), (target, "test", target.row)]
        tables += [_answered(trained, part, split, rows, name, source, case, device) for part, split, rows in asked]
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]


def _split(data: HitData, sizes: tuple[int, int, int], case: Case) -> Split:
    return split_rows(
        len(data), sizes, "sequential" if case.order == "sequential" else "shuffled", case.seed, data.name
    )


def _preprocessing(learning: LearningConfig, system: HitSystem) -> dict[str, object]:
    """What a trained network remembers of how its frames are to be prepared."""
    if system.preprocessing is None:
        return {}
    return {**asdict(learning.preprocessing[system.preprocessing]), "vectors": system.vectors}


def _base(
    learning: LearningConfig, system: HitSystem, models: Path, source: str, case: Case, device: torch.device
) -> TrainedHits:
    """The supervised network of the source that a training begins with; FileNotFoundError where it is not trained."""
    assert system.base is not None
    of_base = Case(case.order, learning.systems[system.base].labels[0], case.seed, "")
    return load_hits(model_folder(models, source, system.base, of_base) / "model.pt", device)


def _answered(
    trained: TrainedHits,
    data: HitData,
    split: str,
    rows: NDArray[np.int64],
    name: str,
    source: str,
    case: Case,
    device: torch.device,
) -> pd.DataFrame:
    logits = predict_logits(trained.model, data.inputs[rows], trained.description.recipe, device)
    return pd.DataFrame(
        {
            "system": name,
            "labels": case.labels,
            "order": case.order,
            "seed": case.seed,
            "trained_on": source,
            "tested_on": data.name,
            "split": split,
            "row": data.row[rows],
            "label": data.label[rows],
            "p_hit": hit_probability(logits).numpy(),
        }
    )


def find_in_run(run: SfxRun, files: RunFiles, name: str, source: str, device: torch.device, output: Path) -> None:
    """Train a system of a run on one of its datasets and write its predictions."""
    learning = run.sfx.learned
    system = learning.systems[name]
    data = {
        other: data_of(read_prepared(prepared_file(files, other), system), system, other) for other in run.sfx.datasets
    }
    table = run_system(learning, name, source, data, models_folder(files), device)
    write_table(output, pa.Table.from_pandas(table, preserve_index=False))
