"""Datasets that ask what no dataset of the project asks, and networks that answer it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from evaluate.baselines.registry import BASELINES
from evaluate.classification.tables import write_tables
from evaluate.predictions.predictions import predict_splits, write_predictions
from evaluate.run.files import RunFiles
from evaluate.run.outputs import predictors
from evaluate.run.sections import EvaluationConfig
from evaluate.run.study import Study
from frames.readout.config import ReadoutConfig
from frames.store import integrity, writer
from frames.store.dataset import Dataset, open_dataset
from frames.store.layout import Layout
from frames.targets import Target
from train.config.training import TrainingConfig
from train.inference.predict import predict
from train.loop.checkpoint import load_model
from train.tasks.classify import fit

KIND = Target("kind", ("left", "middle", "right"))
HIT = Target("hit", ("miss", "hit"), kept="hit")
PLACES = Target("places", (2, 0, 1), kept=1)
"""Whose classes are numbers, in an order of their own."""

CPU = torch.device("cpu")
RECIPE = {
    "base": "plain",
    "epochs": 6,
    "batch_size": 16,
    "learning_rate": 3e-3,
    "input_transform": "log1p",
    "optimiser": "adamw",
}


def toy(targets: Sequence[Target], folder: Path) -> Dataset:
    """240 images of 128 x 128: one bright third, which is the kind; asked for hits, nothing, or it once or twice.

    From 3 photons in a pixel of the third down to a hundredth of a photon, where the background has a twentieth.
    """
    n, rng = 240, np.random.default_rng(1)
    kind, places = rng.integers(0, 3, n), rng.integers(0, 3, n) if len(targets) > 1 else np.ones(n, int)
    images, bright = rng.poisson(0.05, (n, 128, 128)), 10 ** rng.uniform(-2, 0.5, n)
    for image, third, number, photons in zip(images, kind, places, bright, strict=True):
        for place in range(number):
            image[64 * place : 64 * place + 40, 42 * third : 42 * third + 42] += rng.poisson(photons, (40, 42))
    said = {
        KIND.name: np.where(places > 0, np.array(KIND.classes)[kind], ""),
        HIT.name: np.where(places > 0, "hit", "miss"),
    }
    layout = Layout(n, (128, 128), "photons", 16, 64, tuple(targets), ReadoutConfig().model_dump(mode="json"))
    labels = {target.name: writer.target_label(target, said.get(target.name, places)) for target in targets}
    labels["split"] = writer.split_label(["train"] * 140 + ["validation"] * 40 + ["test"] * 60)
    labels["seed"] = writer.seed_label(range(n))
    writer.create(folder, layout, labels, writer.pixel_maps(np.ones((128, 128))))
    for shard in range(layout.n_shards):
        writer.write_shard(folder, layout, shard, images[layout.rows(shard)].astype(np.uint16), made_from="test")
    integrity.complete(folder, {})
    return open_dataset(folder)


def study_of(targets: Sequence[Target]) -> Study:
    """Of one dataset that asks this, two seeds of one network, and every baseline."""
    training = {"models": {"late3": {"recipe": RECIPE}}, "datasets": ["toy"], "seeds": [0, 1], "device": "cpu"}
    return Study(
        run="toy",
        title="A toy that asks its own questions",
        targets={"toy": tuple(targets)},
        training=TrainingConfig.model_validate(training),
        evaluation=EvaluationConfig(baselines=tuple(BASELINES)),
    )


def learned(study: Study, folder: Path) -> RunFiles:
    """The run's files up to its tables, by the calls of the rules' scripts."""
    files = RunFiles(folder)
    for name, targets in study.targets.items():
        toy(targets, files.dataset(name))
    for name, model, seed in study.trained.trainings:
        chosen = study.trained.models[model]
        fit(
            chosen.network,
            open_dataset(files.dataset(name)),
            chosen.recipe,
            seed,
            CPU,
            files.training(name, model, seed),
        )
    for name, model, seed in predictors(study):
        dataset = open_dataset(files.dataset(name))
        answers = (
            BASELINES[model](dataset, seed)
            if model in BASELINES
            else partial(predict, load_model(files.model(name, model, seed), CPU))
        )
        write_predictions(
            predict_splits(answers, dataset, ("validation", "test")), files.predictions(name, model, seed)
        )
    write_tables(files, study, {"date": "2026-01-02 03:04 UTC"})
    return files
