"""A run of twin networks on four phantoms: its config, and the tables that its evaluation would have written."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evaluate.baselines.feature_controls import CONTROLS
from evaluate.run.config import RunConfig, load_config
from evaluate.run.files import RunFiles

NAMES = ("ball", "ring", "rod", "cage")


def twin_mapping(results: Path) -> dict[str, Any]:
    """A run of four phantoms: `polar` in two folds, `poster` in one that holds nothing out, and a grid."""
    shapes = ("globule", "double_ring", "hexamer", "spike_open")
    return {
        "run": "twins",
        "title": "Twins & co",
        "results_dir": str(results),
        "simulation": {
            "structures": [
                {"id": name, "source": "phantom", "phantom": shape} for name, shape in zip(NAMES, shapes, strict=True)
            ],
            "plan": {"hit_multiplicities": [1, 2], "patterns_per_class": 40},
            "datasets": {"clear": {"base": "poster"}, "dim": {"base": "clear", "photons_per_pulse": 1e11}},
        },
        "twins": {
            "datasets": ["clear"],
            "families": {"round": ["ball", "ring"], "long": ["rod"]},
            "encoders": {
                "small": {"network": "azimuthal", "folds": ["none"]},
                "polar": {"seeds": [0, 1], "folds": ["none", "round", "long"]},
                "grid": {"network": "azimuthal", "embedding_dims": [2, 8], "margins": [0, 0.5], "folds": ["none"]},
            },
        },
        "evaluation": {
            "twins": {"evaluate_on": ["dim"], "baselines": ["total_intensity", "pixels"], "labels": [1, 2], "draws": 2}
        },
    }


def twin_config(results: Path = Path("results"), **changes: Any) -> RunConfig:
    """Its config; `changes` are of the encoders, None takes one away."""
    mapping = twin_mapping(results)
    encoders = {**mapping["twins"]["encoders"], **changes}
    mapping["twins"]["encoders"] = {name: encoder for name, encoder in encoders.items() if encoder is not None}
    return load_config(mapping)


def row(**values: Any) -> dict[str, Any]:
    """One of a table, of the main encoder in the main condition where nothing else is said."""
    return {
        "run": "twins",
        "trained_on": "clear",
        "dataset": "dim",
        "encoder": "polar",
        "embedding_dim": 8,
        "margin": 0.5,
        "distance": "rms",
        "mining": "random",
        "seed": 0,
        "fold": "all",
        "n_train": 100,
        "protocol": "unseen",
        "classifier": "regression" if values.get("encoder") in CONTROLS else "centroid",
        "labels": 0,
        "n_test": 60,
        "n_structures": 3,
        "accuracy": 0.9,
        "balanced_accuracy": 0.9,
        "majority_accuracy": 0.5,
        "roc_auc": 0.95,
        "deviation": 0.1,
        "draw_deviation": np.nan,
        "collapsed": 0,
        "structure": "",
        **values,
    }


def twin_table(*more: dict[str, Any], control: float = 0.6) -> pd.DataFrame:
    """`polar` right in 90 and 94 % of dim and in 80 % of clear, a control in `control` of dim; a grid."""
    learners = {"total_intensity": control, "pixels": 0.55}
    rows = [row(accuracy=0.90), row(accuracy=0.94, seed=1), row(accuracy=0.8, dataset="clear")]
    rows += [row(encoder=name, accuracy=accuracy) for name, accuracy in learners.items()]
    rows += [row(encoder=name, accuracy=0.5, dataset="clear") for name in learners]
    for classifier, right in (("adapted", 0.93), ("centroid", 0.85)):
        for n in (1, 2):
            rows += [
                row(encoder=name, protocol="few_shot", classifier=classifier, labels=n, accuracy=right + 0.01 * n)
                for name in ("polar", *learners)
            ]
    for cell, (dim, margin) in enumerate(((2, 0.0), (2, 0.5), (8, 0.0), (8, 0.5))):
        common = {"encoder": "grid", "dataset": "clear", "fold": "none", "embedding_dim": dim, "margin": margin}
        for seed in (0, 1):
            wide = {**common, "seed": seed, "collapsed": int(cell == 3 and seed == 1)}
            rows.append(row(**wide, protocol="same", classifier="neighbours", accuracy=0.6 + 0.1 * cell + 0.02 * seed))
            rows.append(row(**wide, protocol="training_triplets", classifier="triplets", accuracy=0.9 - 0.1 * cell))
    for name in ("polar", "small", *learners):
        seen = {"encoder": name, "dataset": "clear", "fold": "none"}
        rows.append(row(**seen, protocol="same", classifier="neighbours", accuracy=0.97))
        rows.append(row(**seen, protocol="training_triplets", classifier="triplets", accuracy=0.99))
    return pd.DataFrame([*rows, *more])


def structures_table() -> pd.DataFrame:
    """The same by structure: the rod is the worst."""
    each = {"ball": ("round", 0.95), "ring": ("round", 0.96), "rod": ("long", 0.85)}
    return pd.DataFrame(
        [
            row(encoder=name, structure=structure, fold=fold, accuracy=accuracy - less, seed=seed)
            for name, less, seeds in (("polar", 0, (0, 1)), ("total_intensity", 0.3, (0,)), ("pixels", 0.4, (0,)))
            for seed in seeds
            for structure, (fold, accuracy) in each.items()
        ]
    )


def write_run(files: RunFiles, table: pd.DataFrame) -> None:
    """Both tables of a run."""
    files.table("twin").parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(files.table("twin"), index=False)
    structures_table().to_csv(files.table("twin_structures"), index=False)
