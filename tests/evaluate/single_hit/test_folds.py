"""Each family is asked of the network that never saw it, and controls know nothing of it either."""

import numpy as np
import pandas as pd
import pytest
import torch

from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.single_hit import folds as folds_module
from evaluate.single_hit.command import over_structures
from evaluate.single_hit.folds import folds_of, one_fold
from evaluate.single_hit.trial import Trial
from evaluate.twin.outputs import twin_folder
from frames.store.dataset import open_dataset
from support.datasets import make_dataset
from train.config.recipe import TwinRecipe
from train.inference.shipped import load_twin
from train.tasks.embed import fit_twin

STRUCTURES = ("6vxx", "1oel", "1aon", "piece-1oel-0")
FAMILIES = {"spikes": ["6vxx"], "chaperonins": ["1oel", "1aon"]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of four structures, one of them a piece, and its two folds, trained for an epoch."""
    files = RunFiles(tmp_path_factory.mktemp("folds"))
    generator = np.random.default_rng(0)
    n = 240
    structure, count = np.arange(n) % 4, np.arange(n) // 4 % 2
    images = generator.poisson(0.4 * (1 + count)[:, None, None], (n, 128, 128)).astype(np.uint16)
    split = np.repeat(["train", "validation", "test"], [160, 40, 40])
    made = make_dataset(files.dataset("mixed"), images, np.array(STRUCTURES)[structure], 1 + count, split)
    config = RunConfig.model_validate(
        {
            "run": "folds",
            "title": "Folds",
            "simulation": {
                "structures": [{"id": name} for name in STRUCTURES[:3]]
                + [{"id": "piece-1oel-0", "pdb_id": "1oel", "piece_of": "1oel"}],
                "plan": {"patterns_per_class": 100},
                "datasets": {"mixed": {"base": "poster"}},
            },
            "twins": {
                "families": FAMILIES,
                "datasets": ["mixed"],
                "recipe": {"batch_size": 32, "epochs": 1, "embedding_dim": 3},
                "encoders": {"late3": {}},
            },
            "evaluation": {"twins": {"labels": [1]}},
        }
    )
    for training in config.twins.trainings:
        recipe = TwinRecipe(batch_size=32, epochs=1, embedding_dim=3)
        folder = twin_folder(files, training)
        held_out = config.held_out(training.fold)
        fit_twin("late3", open_dataset(made), recipe, 0, torch.device("cpu"), folder, held_out)
    return config, files


def test_each_family_is_asked_of_its_own_fold(trained, monkeypatch):
    config, files = trained
    known = {}
    monkeypatch.setattr(
        folds_module.Control, "of", classmethod(lambda cls, name, patterns: known.setdefault(name, []).append(patterns))
    )
    found = [*folds_of(config, files, ["late3"])]
    assert {fold.name: fold.structures for fold in found} == {k: tuple(v) for k, v in FAMILIES.items()}
    for number, fold in enumerate(found):
        training = next(t for t in config.twins.trainings if t.fold == fold.name)
        assert fold.twin.digest == load_twin(twin_folder(files, training) / "model.pt").digest
        held_out = set(config.held_out(fold.name))
        for name in folds_module.CONTROLS:
            assert set(known[name][number].structure) == set(STRUCTURES) - held_out
    assert held_out == {"1oel", "1aon", "piece-1oel-0"}


def test_one_network_is_asked_about_everything(trained, monkeypatch):
    config, files = trained
    monkeypatch.setattr(folds_module.Control, "of", classmethod(lambda cls, name, patterns: patterns))
    twin = load_twin(twin_folder(files, config.twins.trainings[0]) / "model.pt")
    (fold,) = one_fold(twin, open_dataset(files.dataset("mixed")))
    assert (fold.name, fold.structures) == ("", ())
    assert set(fold.controls["total_intensity"].structure) == set(STRUCTURES)


def test_a_run_without_folds_is_told(trained):
    config, files = trained
    with pytest.raises(ValueError, match=r"trains no 'folded' with a family held out; its encoders are \['late3'\]"):
        next(folds_of(config, files, ["folded"]))


def test_a_trial_gives_the_patterns_of_some_structures():
    trial = Trial(np.arange(4.0)[:, None, None], np.array([1, 2, 1, 3]), np.array([*"abca"]), np.array(["test"] * 4))
    assert trial.of(["a", "c"]).hit_multiplicity.tolist() == [1, 1, 3]
    assert trial.of(["a", "c"]).frames.ravel().tolist() == [0, 2, 3]


def test_all_together_is_the_mean_over_structures():
    score = {"dataset": "d", "answerer": "network", "protocol": "unseen", "classifier": "selector", "labels": 0}
    score |= {"balanced_accuracy": 0.5, "majority_accuracy": 0.5, "roc_auc": 0.7, "draw_deviation": np.nan}
    each = [
        {**score, "fold": fold, "structure": name, "n_test": 100, "accuracy": accuracy}
        for fold, name, accuracy in (("f", "a", 0.9), ("f", "b", 0.8), ("g", "c", 1.0))
    ]
    row = over_structures(pd.DataFrame(each)).iloc[0]
    assert (row["n_test"], row["n_structures"]) == (300, 3)
    assert row["accuracy"] == pytest.approx(0.9)
    assert row["deviation"] == pytest.approx(np.std([0.9, 0.8, 1.0]))
