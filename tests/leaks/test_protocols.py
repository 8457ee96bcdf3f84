"""Nothing that is chosen from predictions, or asked of embeddings, uses a test pattern's label.

As in test_learning.py: a new protocol is a line, with the worlds in which its test has to fail.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluate.metrics import by_target
from evaluate.predictions.embeddings import Embedded, write_embedded, write_support
from evaluate.predictions.predictions import averaged
from evaluate.run.config import RunConfig, load_config
from evaluate.run.files import RunFiles
from evaluate.twin import protocols, tables
from evaluate.twin.outputs import controls, embeddings_file, twin_folder
from evaluate.twin.protocols import ProtocolScore
from frames.files import write_json
from frames.targets import shot_targets
from support.poison import Leak, Outcome, Protocol, must_not_see, spoil_predictions, turned, validating
from train.config.twins import TwinTraining
from train.few_shot.logistic import fit


def predictions(seed: int = 0, n: int = 600) -> pd.DataFrame:
    """Of two structures and one or two particles, often right; half validate."""
    generator = np.random.default_rng(seed)
    number, structure = generator.integers(1, 3, n), generator.integers(0, 2, n)
    sure = generator.uniform(0.3, 1, (2, n))
    p_single = np.where(number == 1, sure[0], 1 - sure[0])
    p_a = np.where(structure == 0, sure[1], 1 - sure[1])
    return pd.DataFrame(
        {
            "split": np.where(np.arange(n) < n // 2, "validation", "test"),
            "pattern": np.arange(n),
            "structure": np.array(["a", "b"])[structure],
            "hit_multiplicity": number,
            "predicted_structure": np.where(p_a > 0.5, "a", "b"),
            "predicted_hit_multiplicity": np.where(p_single > 0.5, 1, 2),
            "p_hit_multiplicity_1": p_single,
            "p_hit_multiplicity_2": 1 - p_single,
            "p_structure_a": p_a,
            "p_structure_b": 1 - p_a,
        }
    )


SHOTS = shot_targets(["a", "b"], [1, 2])


def temperatures(table: pd.DataFrame, folder: Path) -> Outcome:
    found = by_target.calibration(table, SHOTS)
    assert np.isfinite(found["temperature"]).all()
    return {column: found[column].to_numpy() for column in ("temperature", "n_validation")}


def at_temperatures(table: pd.DataFrame, folder: Path) -> Outcome:
    return of_validation(by_target.calibrated(table, SHOTS))


def thresholds(table: pd.DataFrame, folder: Path) -> Outcome:
    found = by_target.operating_points(table, SHOTS, (0.8, 0.9))["threshold"].to_numpy()
    assert np.isfinite(found).all()
    return {"thresholds": found}


def ensemble(table: pd.DataFrame, folder: Path) -> Outcome:
    """Of two, the other one with probabilities that are nearer to none at all."""
    probabilities = [column for column in table if column.startswith("p_")]
    other = table.assign(**{column: (table[column] + 0.5) / 2 for column in probabilities})
    return of_validation(averaged([table, other]))


def of_validation(table: pd.DataFrame) -> Outcome:
    """Numbers of what is said to be validation."""
    rows = table[table["split"] == "validation"]
    return {column: rows[column].to_numpy() for column in rows.select_dtypes("number")}


ON_VALIDATION = [
    Protocol(name, learned, spoil_predictions, {"validation": validating})
    for name, learned in (
        ("temperatures", temperatures),
        ("at temperatures", at_temperatures),
        ("thresholds", thresholds),
        ("ensemble", ensemble),
    )
]


@pytest.mark.parametrize("protocol", ON_VALIDATION, ids=lambda protocol: protocol.name)
def test_what_validation_chooses_does_not_hang_on_test_patterns(protocol, tmp_path):
    must_not_see(protocol, predictions(), tmp_path)


@pytest.mark.parametrize("protocol", ON_VALIDATION, ids=lambda protocol: protocol.name)
def test_what_is_chosen_by_test_patterns_is_noticed(protocol, tmp_path):
    with pytest.raises(Leak):
        must_not_see(protocol, predictions(), tmp_path, "validation")


# Embeddings: who knows nothing of the truth about test patterns is right where he was wrong, once that is turned


def embeddings(structures: tuple[str, ...], seed: int, n: int = 160) -> Embedded:
    """Single hits about (0, 0), double ones about (2, 1), each structure astray by half of that; half validate."""
    generator = np.random.default_rng(seed)
    number, structure = np.arange(n) % 2 + 1, np.arange(n) // 2 % len(structures)
    places = generator.standard_normal((n, 2)) + (number == 2)[:, None] * [2, 1] + structure[:, None] * [1, 0.5]
    photons = generator.uniform(50, 150, n) * number
    split = np.where(np.arange(n) < n // 2, "validation", "test")
    return Embedded(places.astype(np.float32), np.array(structures)[structure], number, split, photons)


KNOWN = embeddings(("a", "b"), seed=1)._replace(split=np.full(160, "train"))


def unseen(new: Embedded) -> Iterator[ProtocolScore]:
    yield from protocols.evaluated("unseen", {"regression": fit(KNOWN.support).scores}, new.in_split("test"))


def unlabelled(new: Embedded) -> Iterator[ProtocolScore]:
    yield from protocols.unlabelled(KNOWN, fit(KNOWN.support), new)


def few_shot(new: Embedded) -> Iterator[ProtocolScore]:
    pool, about = new.in_split("validation"), new.in_split("test")
    yield from protocols.few_shot(fit(KNOWN.support), pool, about, (3, 10), draws=4, seed=0)


BLIND: dict[str, Callable[[Embedded], Iterator[ProtocolScore]]] = {
    "unseen": unseen,
    "unlabelled": unlabelled,
    "few_shot": few_shot,
}


def must_be_blind(scores: Callable[[Embedded], Iterator[ProtocolScore]], new: Embedded) -> None:
    """Leak where the scores of test patterns hang on what is said of these."""
    for one, other in zip(scores(new), scores(turned(new)), strict=True):
        # A score of exactly zero, called multiple, would break the symmetry; none is.
        for measure in ("accuracy", "roc_auc"):
            if not np.isclose(getattr(one, measure), 1 - getattr(other, measure), atol=1e-9):
                raise Leak(f"{one.protocol}, {one.classifier}: the {measure} hangs on the truth about test patterns")


@pytest.mark.parametrize("name", BLIND)
def test_predictions_do_not_know_the_truth(name):
    must_be_blind(BLIND[name], embeddings(("c", "d"), seed=2))


def labelled_by_themselves(new: Embedded) -> Iterator[ProtocolScore]:
    """Few-shot labels from the patterns that are predicted."""
    about = new.in_split("test")
    yield from protocols.few_shot(fit(KNOWN.support), about, about, (3, 10), draws=4, seed=0)


def named_by_the_truth(new: Embedded) -> Iterator[ProtocolScore]:
    """What singles and doubles look like, from the sample's own patterns."""
    yield from protocols.unlabelled(new, fit(new.support), new)


def learned_from_them(new: Embedded) -> Iterator[ProtocolScore]:
    test = new.in_split("test")
    yield from protocols.evaluated("unseen", {"regression": fit(test.support).scores}, test)


@pytest.mark.parametrize("leaky", [labelled_by_themselves, named_by_the_truth, learned_from_them])
def test_predictions_that_know_the_truth_are_noticed(leaky):
    with pytest.raises(Leak):
        must_be_blind(leaky, embeddings(("c", "d"), seed=2))


def mine(new: Embedded, folder: Path) -> Outcome:
    """Scores of one sample, of two."""
    found = [one for one in unlabelled(new) if one.structure == "c"]
    return {one.classifier: np.array([one.n_test, one.accuracy, one.roc_auc]) for one in found}


def another_sample(new: Embedded) -> Embedded:
    return new._replace(
        embeddings=np.where((new.structure == "d")[:, None], 100, new.embeddings).astype(np.float32),
        photons=np.where(new.structure == "d", 1e6, new.photons),
    )


BY_SAMPLE = Protocol("mixture of a sample", mine, another_sample, {})


def test_a_sample_is_predicted_by_its_own_patterns_alone(tmp_path):
    must_not_see(BY_SAMPLE, embeddings(("c", "d"), seed=2), tmp_path)


def test_samples_that_are_thrown_together_are_noticed(tmp_path):
    def together(new: Embedded, folder: Path) -> Outcome:
        of_c = new.structure == "c"
        found = list(unlabelled(new._replace(structure=np.full(len(of_c), "c"))))
        return {one.classifier: np.array([one.accuracy]) for one in found}

    with pytest.raises(Leak):
        must_not_see(BY_SAMPLE._replace(learn=together), embeddings(("c", "d"), seed=2), tmp_path)


# The tables as a whole, from the files of a run


@pytest.fixture
def run(tmp_path: Path) -> tuple[RunFiles, RunConfig]:
    """Two families, of which each encoder, and each control, has one held out."""
    structures = [{"id": name, "source": "phantom", "phantom": "globule"} for name in "abcd"]
    config = load_config(
        {
            "run": "tiny",
            "title": "Tiny",
            "results_dir": str(tmp_path),
            "simulation": {"structures": structures, "datasets": {"noisy": {"base": "poster"}}},
            "twins": {
                "datasets": ["noisy"],
                "families": {"first": ["a", "b"], "second": ["c", "d"]},
                "encoders": {"late3": {"folds": ["second"]}},
            },
            "evaluation": {"twins": {"baselines": ["pixels"], "labels": [3], "draws": 2, "evaluate_on": ["noisy"]}},
        }
    )
    return RunFiles(config.folder), config


def written(files: RunFiles, training: TwinTraining, known: Embedded, new: Embedded) -> None:
    """What a training, or a control, leaves."""
    folder = twin_folder(files, training)
    folder.mkdir(parents=True, exist_ok=True)
    write_support(known, folder / "support.npz")
    write_json(folder / "training.json", {})
    embeddings_file(files, training).parent.mkdir(parents=True, exist_ok=True)
    write_embedded({"noisy": new}, embeddings_file(files, training))


def scores_of(
    run: tuple[RunFiles, RunConfig], training: TwinTraining, known: Embedded, new: Embedded
) -> list[ProtocolScore]:
    """About structures of the family `second`, where it was held out; verification is of pairs, and counts truths."""
    written(run[0], training, known, new)
    found = [score for fold, _, score in tables._scores(*run, training) if fold == "second"]
    return [score for score in found if score.protocol != "verification"]


@pytest.mark.parametrize("learner", ["late3", "pixels"])
def test_tables_know_neither_the_truth_nor_what_is_held_out(run, learner):
    config = run[1]
    training = next(one for one in [*config.twinned.trainings, *controls(config)] if one.encoder == learner)
    known, new = embeddings(tuple("abcd"), seed=3), embeddings(tuple("abcd"), seed=4)
    held_out = np.isin(known.structure, ["c", "d"])
    # An encoder's file has nothing of them; a control's has, and another fold learns from it: no NaN.
    poisoned = known._replace(embeddings=np.where(held_out[:, None], 50, known.embeddings).astype(np.float32))
    honest = scores_of(run, training, known, new)
    assert {score.protocol for score in honest} == {"unseen", "unlabelled", "few_shot"}
    assert list(map(repr, scores_of(run, training, poisoned, new))) == list(map(repr, honest))
    for one, other in zip(honest, scores_of(run, training, known, turned(new)), strict=True):
        assert other.accuracy == pytest.approx(1 - one.accuracy), (one.protocol, one.classifier)
        assert other.roc_auc == pytest.approx(1 - one.roc_auc), (one.protocol, one.classifier)
