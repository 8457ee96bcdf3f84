"""What baselines can tell, on datasets where the answer is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from evaluate.baselines import spectral_clustering
from evaluate.baselines.registry import BASELINES
from evaluate.baselines.total_intensity import total_photons
from evaluate.metrics.by_target import accuracies, majority
from evaluate.predictions.labels import target_labels
from evaluate.predictions.predictions import predict_splits
from evaluate.run import sections
from frames.store.dataset import Dataset, open_dataset
from support.datasets import make_dataset

N = 2000


def store(folder: Path, photons: NDArray, structure: NDArray, count: NDArray, **options: Any) -> Dataset:
    """Patterns of 2 x 2 pixels with these total photons, all in one pixel."""
    images = np.zeros((len(photons), 2, 2), np.uint16)
    images[:, 0, 1] = photons
    names = np.array(["ball", "ring"])[structure]
    return open_dataset(make_dataset(folder, images, names, 1 + count, **{"patterns_per_shard": 1000} | options))


def total_intensity(dataset: Dataset) -> pd.DataFrame:
    return predict_splits(BASELINES["total_intensity"](dataset, 0), dataset, ["test"])


def shuffled_classes(n: int = N) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 2, n), rng.integers(0, 2, n)


def test_names_are_those_that_a_config_may_ask_for() -> None:
    assert tuple(BASELINES) == sections.BASELINES


def test_total_photons_is_the_sum_of_the_pattern_as_read(tmp_path: Path) -> None:
    structure, count = shuffled_classes(200)
    noisy = store(tmp_path / "noisy", np.arange(200), structure, count, read_noise_photons=0.5, patterns_per_shard=64)
    for rows in (slice(0, 200), slice(37, 101), slice(64, 128), slice(130, 131)):
        expected = noisy.read(rows).astype(float).sum(axis=(1, 2))
        np.testing.assert_allclose(total_photons(noisy, rows), expected, rtol=1e-12)
    assert not np.array_equal(total_photons(noisy, slice(0, 200)), np.arange(200))


def test_intensities_that_tell_all_classes_apart_are_all_told_apart(tmp_path: Path) -> None:
    structure, count = shuffled_classes()
    dataset = store(tmp_path / "distinct", 10 + 100 * structure + 1000 * count, structure, count)
    table = total_intensity(dataset)
    assert len(table) == N // 5
    assert accuracies(table, dataset.targets)["test_accuracy"] == 1
    probabilities = [name for name in table.columns if name.startswith("p_structure")]
    np.testing.assert_allclose(table[probabilities].sum(axis=1), 1)


def test_intensity_that_tells_nothing_gives_the_majority(tmp_path: Path) -> None:
    structure, count = shuffled_classes()
    structure[: N // 2] = 1  # three in four are rings
    table = total_intensity(store(tmp_path / "equal", np.full(N, 7), structure, count))
    assert set(table["predicted_structure"]) == {"ring"}
    assert table["predicted_hit_multiplicity"].nunique() == 1


def test_overlapping_intensities_reach_the_bayes_limit(tmp_path: Path) -> None:
    """Balls have 0-299 photons, rings 100-399, evenly: balls and rings share two thirds of their range.

    The best answer is right where only one is possible (1/3 of the patterns) and half the time elsewhere: 2/3.
    """
    n = 6000
    structure, _ = shuffled_classes(n)
    photons = np.random.default_rng(1).integers(0, 300, n) + 100 * structure
    dataset = store(tmp_path / "overlap", photons, structure, np.zeros(n, int))
    found = accuracies(total_intensity(dataset), dataset.targets)["structure_accuracy"]
    # Three standard deviations of 1,200 test patterns, √(2/3·1/3/1200) = 0.0136.
    assert found == pytest.approx(2 / 3, abs=3 * 0.0136)


def test_bins_are_as_fine_as_validation_patterns_say(tmp_path: Path) -> None:
    """In 64 bands of intensity, balls and rings by turns: bins of a thirtieth of the patterns hold two bands each, and
    say little more than a coin; each band has 22 training patterns, and bins of a three-hundredth fit in.

    Of nothing but noise about 0.8 and 0.2, on the other hand, every bin of one pattern answers as this one: right in
    0.8² + 0.2² = 0.68. Bins of many reach 0.8: within four standard deviations of 800 patterns, 0.0141.
    """
    rng = np.random.default_rng(6)
    photons = rng.integers(0, 64 * 32, N)
    bands = store(tmp_path / "bands", photons, photons // 32 % 2, np.zeros(N, int))
    assert accuracies(total_intensity(bands), bands.targets)["structure_accuracy"] > 0.9
    n = 4000
    photons = rng.permutation(n)
    rings = rng.random(n) < np.where(photons < n // 2, 0.2, 0.8)
    noise = store(tmp_path / "noise", photons, rings.astype(int), np.zeros(n, int))
    assert accuracies(total_intensity(noise), noise.targets)["structure_accuracy"] == pytest.approx(0.8, abs=4 * 0.0141)


def test_a_class_missing_from_the_training_split_is_never_answered(tmp_path: Path) -> None:
    structure, count = shuffled_classes()
    structure[: round(0.7 * N)][count[: round(0.7 * N)] == 1] = 0  # no two rings to learn from
    table = total_intensity(store(tmp_path / "gap", 10 + 100 * structure + 1000 * count, structure, count))
    assert len(table) == N // 5
    assert not ((table["predicted_structure"] == "ring") & (table["predicted_hit_multiplicity"] == 2)).any()


def test_shots_that_hit_nothing_are_a_class_of_the_tree(tmp_path: Path) -> None:
    """Dark patterns answer 0 particles; structure is asked of the others alone."""
    structure, count = shuffled_classes()
    names = np.array(["ball", "ring"])[structure]
    blank = np.random.default_rng(3).random(N) < 0.2
    images = np.zeros((N, 2, 2), np.uint16)
    images[:, 0, 1] = np.where(blank, 0, 10 + 100 * structure + 1000 * count)
    folder = make_dataset(
        tmp_path / "blanks", images, np.where(blank, "", names), np.where(blank, 0, 1 + count), patterns_per_shard=1000
    )
    dataset = open_dataset(folder)
    table = total_intensity(dataset)
    assert set(accuracies(table, dataset.targets).values()) == {1.0}
    assert (table["structure"] == "none").sum() == (table["predicted_hit_multiplicity"] == 0).sum() > 50
    for kind in ("p_structure", "p_hit_multiplicity"):
        probabilities = [name for name in table.columns if name.startswith(kind)]
        np.testing.assert_allclose(table[probabilities].sum(axis=1), 1)


def rosettes(n: int, seed: int) -> tuple[NDArray[np.uint16], NDArray[np.int64], NDArray[np.int64]]:
    """Patterns of 32 x 32 pixels, structure and count, turned about the beam at random and of random fluence.

    Balls have 2 petals, rings 3; two particles scatter farther out than one.
    """
    rng = np.random.default_rng(seed)
    structure, count = rng.integers(0, 2, n), rng.integers(0, 2, n)
    y, x = np.mgrid[:32, :32] - 15.5
    r, angle = np.hypot(x, y), np.arctan2(y, x)
    turn = rng.uniform(0, 2 * np.pi, n)
    radius = np.where(count, 11.0, 6.0)[:, None, None]
    petals = 1 + np.cos((2 + structure)[:, None, None] * (angle - turn[:, None, None]))
    bright = rng.uniform(5, 10, n)[:, None, None]
    photons = rng.poisson(bright * petals * np.exp(-(((r - radius) / 2) ** 2)))
    return photons.astype(np.uint16), structure, count


def rosette_dataset(folder: Path, n: int = 600, swapped: slice = slice(0)) -> Dataset:
    images, structure, count = rosettes(n, seed=0)
    structure[swapped] = 1 - structure[swapped]
    names = np.array(["ball", "ring"])[structure]
    return open_dataset(make_dataset(folder, images, names, 1 + count, patterns_per_shard=200))


@pytest.fixture(scope="module")
def rosette(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return rosette_dataset(tmp_path_factory.mktemp("rosettes") / "rosettes")


def test_clusters_tell_shapes_in_all_turns_and_fluences(rosette: Dataset) -> None:
    table = predict_splits(BASELINES["spectral_clustering"](rosette, 0), rosette, ["validation", "test"])
    assert list(table["split"].value_counts(sort=False)) == [60, 120]
    always = majority(*(target_labels(rosette, split) for split in ("train", "test")), rosette.targets)
    assert always["test_accuracy"] < 0.4
    assert accuracies(table[table["split"] == "test"], rosette.targets)["test_accuracy"] > 0.9
    for kind in ("p_structure", "p_hit_multiplicity"):
        np.testing.assert_allclose(table.filter(like=kind).sum(axis=1), 1)


@pytest.mark.parametrize("name", BASELINES)
def test_labels_of_test_patterns_are_not_looked_at(name: str, rosette: Dataset, tmp_path: Path) -> None:
    swapped = rosette_dataset(tmp_path / "swapped", swapped=slice(480, 600))
    honest, other = (predict_splits(BASELINES[name](d, 0), d, ["test"]) for d in (rosette, swapped))
    predicted = [column for column in honest.columns if column.startswith(("predicted", "p_"))]
    assert honest[predicted].equals(other[predicted])
    assert not honest["structure"].equals(other["structure"])


@pytest.mark.parametrize("name", BASELINES)
def test_what_was_learned_answers_about_another_dataset(name: str, rosette: Dataset, tmp_path: Path) -> None:
    """The answers for a pattern hang on the pattern alone, not on its dataset, nor on what is asked beside it."""
    answers = BASELINES[name](rosette, 0)
    images = rosette.read_raw(slice(300, 400))
    elsewhere = open_dataset(
        make_dataset(tmp_path / "elsewhere", images, ["ball", "ring"] * 50, [1, 2] * 50, patterns_per_shard=16)
    )
    for there, here in zip(answers(elsewhere, slice(10, 70)), answers(rosette, slice(310, 370)), strict=True):
        # Distances to neighbours are rounded differently in blocks of other sizes, equal ones may change places.
        np.testing.assert_allclose(there, here, atol=1e-9)


@pytest.mark.parametrize("name", BASELINES)
def test_another_dataset_must_have_the_same_classes_and_images(name: str, rosette: Dataset, tmp_path: Path) -> None:
    answers = BASELINES[name](rosette, 0)
    images = np.ones((20, 32, 32), np.uint16)
    strangers = {
        "questions of dataset s: .*cube.*": make_dataset(tmp_path / "s", images, ["ball", "cube"] * 10, [1, 2] * 10),
        "questions of dataset m: .*3.*": make_dataset(tmp_path / "m", images, ["ball", "ring"] * 10, [1, 3] * 10),
        "image shape of dataset i: .*16.*": make_dataset(
            tmp_path / "i", images[:, :16], ["ball", "ring"] * 10, [1, 2] * 10
        ),
    }
    for what, folder in strangers.items():
        with pytest.raises(ValueError, match=f"{what} learned from rosettes"):
            answers(open_dataset(folder), slice(0, 5))


def test_features_of_a_pattern_turned_by_a_quarter_and_brighter_are_the_same() -> None:
    images = rosettes(5, seed=3)[0].astype(np.float32)
    turned = 4 * np.rot90(images, axes=(1, 2))  # maps pixels to pixels, and bins of angle to one another
    # A vanishing amplitude is 1e-16 of the largest, its root 1e-8, and the features are of order 1 in single precision.
    np.testing.assert_allclose(spectral_clustering.features(turned), spectral_clustering.features(images), atol=1e-6)


def test_a_dark_pattern_has_features() -> None:
    assert not spectral_clustering.features(np.zeros((2, 8, 8), np.float32)).any()


def test_clusters_of_few_patterns_that_look_all_alike(tmp_path: Path) -> None:
    images = np.ones((40, 8, 8), np.uint16)
    dataset = open_dataset(make_dataset(tmp_path / "alike", images, ["ball", "ring"] * 20, [1] * 20 + [2] * 20))
    table = predict_splits(BASELINES["spectral_clustering"](dataset, 0), dataset, ["test"])
    assert table.filter(like="p_").notna().all(axis=None)


def test_no_more_patterns_are_clustered_than_stated(rosette: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectral_clustering, "N_PATTERNS", 100)
    chosen = [spectral_clustering._some(rosette, "train", seed) for seed in range(20)]
    assert all(rows.start >= 0 and rows.stop <= 420 and rows.stop - rows.start == 100 for rows in chosen)
    assert len({rows.start for rows in chosen}) > 10
    assert spectral_clustering._some(rosette, "validation", 7) == rosette.splits["validation"]
