"""A small finished run, its predictions chosen by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from evaluate.baselines.registry import BASELINES
from evaluate.classification.shown import write_shown
from evaluate.classification.tables import write_tables
from evaluate.predictions.predictions import Predictor, averaged, predict_splits, read_predictions, write_predictions
from evaluate.run.config import RunConfig, load_config
from evaluate.run.files import RunFiles
from evaluate.run.outputs import predictors
from frames.files import write_json
from frames.geometry import Geometry
from frames.store.dataset import Dataset, open_dataset
from report.classification.draw import draw_figures
from simulate.experiment.reach import reach_of
from simulate.stages.dataset import complete_dataset
from simulate.stages.geometry import make_geometry
from support.datasets import make_dataset

HOSTILE = '<script>alert("$x_1^2$")</script> & co'


def run_mapping(results: Path) -> dict:
    """A run of two structures, one or two particles, noise-free and noisy."""
    return {
        "run": "toy",
        "title": HOSTILE,
        "results_dir": str(results),
        "simulation": {
            "structures": [
                {"id": "ball", "source": "phantom", "phantom": "globule"},
                {"id": "9xyz", "stand_in_for": "1abc"},
            ],
            "detector": {"beamstop_radius_pixels": 3.0},
            "plan": {"hit_multiplicities": [1, 2], "patterns_per_class": 20},
            "datasets": {
                "clean": {"base": "clean"},
                "noisy": {"base": "poster"},
                "dim": {"base": "noisy", "photons_per_pulse": 1e11},
            },
        },
        "training": {
            "models": {
                "late10": {},
                "late10_he": {
                    "network": "late10",
                    "recipe": {"initialisation": "he"},
                    "datasets": ["noisy"],
                    "seeds": [3],
                },
                "azimuthal": {"datasets": ["noisy"], "seeds": [3]},
            },
            "datasets": ["clean", "noisy"],
            "seeds": [3, 5],
        },
        "evaluation": {
            "ensembles": {"together": ["late10", "late10_he"]},
            "cross_dataset": {"noisy": ["dim", "clean"]},
            "photon_curve": ["noisy", "dim"],
            "bayes_limit": {"datasets": ["noisy", "dim"], "patterns_per_structure": 4, "orientations": [50, 100]},
        },
    }


def labels(n_per_class: int) -> tuple[NDArray[np.str_], NDArray[np.int64], list[str]]:
    """Structure, hit multiplicity and split of shuffled patterns: 70, 10, 20 % of every class."""
    rng = np.random.default_rng(0)
    rows = []
    for split, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
        block = [(s, m, split) for s in ("9xyz", "ball") for m in (1, 2)] * round(share * n_per_class)
        rows += [block[i] for i in rng.permutation(len(block))]
    structure, multiplicity, split = zip(*rows, strict=True)
    return np.array(structure), np.array(multiplicity), list(split)


def predictor(model: str, seed: int) -> Predictor:
    """`late10_he` is right, `late10` from seed 3 but for "two balls", called "one 9xyz"; all else says "one ball"."""

    def predict(dataset: Dataset, rows: slice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        count, structure = dataset.count[rows].copy(), dataset.structure[rows].copy()
        ball = dataset.structures.index("ball")
        if (model, seed) == ("late10", 3):
            wrong = (structure == ball) & (count == 1)
            count[wrong], structure[wrong] = 0, 1 - ball
        elif model != "late10_he":
            count[:], structure[:] = 0, ball
        sure = 0.02 + 0.96 * np.eye(2)
        return sure[count], sure[structure]

    return predict


def records(files: RunFiles, config: RunConfig) -> None:
    """What is known of the structures, as simulate/molecules/structures.py and simulate/stages/structure.py write
    it."""
    size = {"n_atoms": 4266, "mass_kDa": 56.4, "electrons": 28179.0, "radius_nm": 3.6, "extent_nm": 7.0, "rg_nm": 2.2}
    phantom = {"phantom": "globule", "file": None, "sha256": None, "title": "Three lobes", "assembly": None}
    deposited = {"pdb_id": "9xyz", "file": "9xyz.pdb.gz", "sha256": "ab" * 32, "title": HOSTILE, "assembly": "1"}
    reading = {
        "elements_guessed": 1200,
        "models": {"read": 1, "in_file": 20},
        "pseudo_atoms_left_out": {"DUM": 2, "<i>": 1},
        "occupancies_assumed": 4266,
        "coincident_atoms": 3,
    }
    for structure, origin in zip(
        config.simulation.structures, (phantom, deposited | {"reading": reading}), strict=True
    ):
        record = {
            "id": structure.id,
            "source": structure.source,
            "is_phantom": structure.source == "phantom",
            "stand_in_for": structure.stand_in_for,
            **origin,
            **size,
        }
        write_json(files.structure(structure.id), record)
        for dataset in config.simulation.datasets.values():
            write_json(files.volume(structure.id, reach_of(dataset)), {"n_grid": 37, "measured_error": 4.9e-4})


def patterns(structure: NDArray[np.str_], multiplicity: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray:
    """(n, 128, 128) float32 expected photons: Gaussians, brighter with every particle."""
    offset = np.arange(128) - 63.5
    radius2 = offset[:, None] ** 2 + offset**2
    height = 100.0 * multiplicity * np.where(structure == "ball", 1.0, 3.0)
    images = height[:, None, None] * np.exp(-radius2 / 400).astype(np.float32)
    images[:, mask] = 0
    return images.astype(np.float32)


def train_nothing(folder: Path) -> None:
    """What a training leaves, three epochs long."""
    epochs = np.arange(1, 4)
    columns = ["validation_accuracy", "validation_hit_multiplicity_accuracy", "validation_structure_accuracy"]
    history = pd.DataFrame({"epoch": epochs, "train_loss": 3 / epochs, "validation_loss": 4 / epochs})
    history[columns] = epochs[:, None] * [0.2, 0.25, 0.3]
    folder.mkdir(parents=True)
    history.assign(seconds=50.0).to_csv(folder / "history.csv", index=False)
    write_json(folder / "training.json", {"n_parameters": 164967, "seconds": 150.0, "device": "cpu, 2 threads"})


def write_limit(files: RunFiles, config: RunConfig) -> None:
    """tables/limit.csv, as the rule of that name writes it: finer orientations find a little more."""
    limits = config.evaluation.bayes_limit
    assert limits is not None
    rows = [
        {
            "run": config.run,
            "dataset": condition,
            "fluence": fluence,
            "orientations": orientations,
            "n_patterns": 8,
            "structure_accuracy": accuracy - bright + 0.02 * level,
            "standard_error": 0.05,
            "seed": limits.seed,
        }
        for condition, bright in zip(limits.datasets, (0, 0.3), strict=True)
        for fluence, accuracy in (("known", 0.93), ("unknown", 0.9))
        for level, orientations in enumerate(limits.orientations)
    ]
    pd.DataFrame(rows).to_csv(files.table("limit"), index=False)


PROVENANCE = {
    "date": "2026-01-02 03:04 UTC",
    "commit": "unknown: the code is no git checkout",
    "host": "A chip, 2 cores",
    "config_digest": "c0ffee00",
    "structures": [{"id": "ball"}, {"id": "9xyz"}],
    "versions": {"numpy": "9.8.7"},
    "device": ["cpu, 2 threads", "NVIDIA X"],
    "wall_time_s": 125.0,
}


@pytest.fixture(scope="session")
def judged_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFiles, RunConfig]:
    """The files of the run, tables included."""
    config = load_config(run_mapping(tmp_path_factory.mktemp("results")))
    files = RunFiles(config.folder)
    for name, chosen in config.simulation.datasets.items():
        make_geometry(chosen, files.geometry(name), files.geometry_record(name))
    records(files, config)
    mask = Geometry.load(files.geometry("clean")).mask
    structure, multiplicity, split = labels(20)
    clean = patterns(structure, multiplicity, mask)
    noisy = np.random.default_rng(1).poisson(clean / 100).astype(np.uint16)
    make_dataset(files.dataset("clean"), clean, structure, multiplicity, split, mask=mask)
    dim = np.random.default_rng(2).poisson(clean / 1000).astype(np.uint16)
    make_dataset(files.dataset("noisy"), noisy, structure, multiplicity, split, mask=mask, read_noise_photons=0.3)
    make_dataset(files.dataset("dim"), dim, structure, multiplicity, split, mask=mask, read_noise_photons=0.3)
    for name in config.simulation.datasets:
        complete_dataset(config.simulation, files.dataset(name), files.geometry_record(name))
    for condition, model, seed in config.training.trainings:
        train_nothing(files.training(condition, model, seed))
    for condition, model, seed in predictors(config.study):
        if members := config.members(condition).get(model):
            for asked in (condition, *config.evaluation.cross_dataset.get(condition, ())):
                theirs = [read_predictions(files.predictions(condition, *one, asked), None) for one in members]
                write_predictions(averaged(theirs), files.predictions(condition, model, seed, asked))
            continue
        dataset = open_dataset(files.dataset(condition))
        baseline = BASELINES.get(model)
        predict = predictor(model, seed) if baseline is None else baseline(dataset, seed)
        predictions = predict_splits(predict, dataset, ("validation", "test"))
        write_predictions(predictions, files.predictions(condition, model, seed))
        for other in config.evaluation.cross_dataset.get(condition, ()):
            predictions = predict_splits(predict, open_dataset(files.dataset(other)), ("test",))
            write_predictions(predictions, files.predictions(condition, model, seed, other))
    provenance = {**PROVENANCE, "config": config.model_dump(mode="json")}
    write_tables(files, config.study, provenance)
    write_shown(files, config, provenance)
    write_limit(files, config)
    return files, config


@pytest.fixture(scope="session")
def finished_run(judged_run: tuple[RunFiles, RunConfig]) -> tuple[RunFiles, RunConfig]:
    """The same with its figures."""
    files, config = judged_run
    files.benchmarks.joinpath("volume").mkdir(parents=True)
    for structure_id, seconds in (("ball", 61.0), ("9xyz", 64.0)):
        text = f"s\th:m:s\tmax_rss\n{seconds}\t0:01:01\t-\n"
        files.benchmarks.joinpath("volume", f"{structure_id}.tsv").write_text(text)
    draw_figures(files, config)
    return files, config
