"""What total intensity alone can tell, on datasets where the answer is known."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from datasets import make_dataset
from evaluate.baselines import total_intensity, total_photons
from evaluate.metrics import accuracies
from evaluate.predictions import answer, truth
from simulate.dataset import Dataset, open_dataset

N = 2000


def store(folder: Path, photons: NDArray, structure: NDArray, count: NDArray, **options: float) -> Dataset:
    """Patterns of 2 x 2 pixels with these total photons, all in one pixel."""
    images = np.zeros((len(photons), 2, 2), np.uint16)
    images[:, 0, 1] = photons
    names = np.array(["ball", "ring"])[structure]
    return open_dataset(make_dataset(folder, images, names, 1 + count, patterns_per_shard=64, **options))


def shuffled_classes(n: int = N) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 2, n), rng.integers(0, 2, n)


def test_total_photons_is_the_sum_of_the_pattern_as_read(tmp_path: Path) -> None:
    structure, count = shuffled_classes(200)
    noisy = store(tmp_path / "noisy", np.arange(200), structure, count, read_noise_photons=0.5)
    for rows in (slice(0, 200), slice(37, 101), slice(64, 128), slice(130, 131)):
        expected = noisy.read(rows).astype(float).sum(axis=(1, 2))
        np.testing.assert_allclose(total_photons(noisy, rows), expected, rtol=1e-12)
    assert not np.array_equal(total_photons(noisy, slice(0, 200)), np.arange(200))


def test_intensities_that_tell_all_classes_apart_are_all_told_apart(tmp_path: Path) -> None:
    structure, count = shuffled_classes()
    dataset = store(tmp_path / "distinct", 10 + 100 * structure + 1000 * count, structure, count)
    table = total_intensity(dataset)
    assert len(table) == N // 5
    assert accuracies(truth(table), answer(table)).test_accuracy == 1
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
    table = total_intensity(store(tmp_path / "overlap", photons, structure, np.zeros(n, int)))
    found = accuracies(truth(table), answer(table)).particle_accuracy
    # Three standard deviations of 1,200 test patterns, √(2/3·1/3/1200) = 0.0136.
    assert found == pytest.approx(2 / 3, abs=3 * 0.0136)


def test_test_labels_are_not_looked_at(tmp_path: Path) -> None:
    structure, count = shuffled_classes()
    photons = np.random.default_rng(2).poisson(50 + 40 * structure + 30 * count)
    honest = total_intensity(store(tmp_path / "honest", photons, structure, count))
    structure[-N // 5 :] = 1 - structure[-N // 5 :]
    swapped = total_intensity(store(tmp_path / "swapped", photons, structure, count))
    predicted = [name for name in honest.columns if name.startswith(("predicted", "p_"))]
    assert honest[predicted].equals(swapped[predicted])
    assert not honest["structure"].equals(swapped["structure"])


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
        tmp_path / "blanks", images, np.where(blank, "", names), np.where(blank, 0, 1 + count), patterns_per_shard=64
    )
    table = total_intensity(open_dataset(folder))
    found = accuracies(truth(table), answer(table))
    assert found.test_accuracy == found.count_accuracy == found.particle_accuracy == 1
    assert (table["structure"] == "none").sum() == (table["predicted_hit_multiplicity"] == 0).sum() > 50
    for kind in ("p_structure", "p_hit_multiplicity"):
        probabilities = [name for name in table.columns if name.startswith(kind)]
        np.testing.assert_allclose(table[probabilities].sum(axis=1), 1)
