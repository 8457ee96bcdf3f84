"""What the trainings of a run were like: the tables history and trainings."""

from collections.abc import Mapping, Sequence

import pandas as pd

from evaluate.run.files import RunFiles
from evaluate.run.study import Study
from frames.files import read_json
from frames.targets import Target

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "history": {
        "epoch": "1 is the first",
        "train_loss": "mean over the epoch's patterns while they were learned",
        "validation_loss": "of the validation split, after the epoch",
        "validation_accuracy": "joint accuracy on the validation split",
    },
    "trainings": {
        "n_parameters": "of the network",
        "seconds": "that the training took",
        "device": "that it ran on",
    },
}
"""Table -> column -> meaning, but for those that say which training it was, and for each target's accuracy."""


def history_accuracies(targets: Sequence[Target]) -> dict[str, str]:
    """Column of history.csv -> meaning, of what a dataset asks."""
    return {
        f"validation_{target.name}_accuracy": "of the validation patterns that have an answer to it, fraction with the "
        f"{target.name} right"
        for target in targets
    }


def training_rows(files: RunFiles, study: Study) -> dict[str, list[pd.DataFrame]]:
    """Rows of both tables, of every training of the run."""
    found: dict[str, list[pd.DataFrame]] = {name: [] for name in COLUMNS}
    for dataset, model, seed in study.trained.trainings:
        which = {"dataset": dataset, "model": model, "seed": seed}
        found["history"].append(pd.read_csv(files.history(dataset, model, seed)).assign(**which))
        record = read_json(files.training_record(dataset, model, seed))
        row = {name: record[name] for name in COLUMNS["trainings"]}
        found["trainings"].append(pd.DataFrame([{**which, **row}]))
    return found
