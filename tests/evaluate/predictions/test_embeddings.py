"""Embeddings lie beside what the patterns are, row by row, in memory and in files."""

from pathlib import Path

import numpy as np
import pytest

from evaluate.predictions.embeddings import (
    Embedded,
    embedded_by,
    read_embedded,
    read_support,
    write_embedded,
    write_support,
)
from frames.files import read_arrays
from frames.store.dataset import Dataset, open_dataset
from support.datasets import make_dataset

STRUCTURES = ["ring", "ball", "ball", "ring", "ball", "ring", "ball", "ring", "ball", "ring"]
MULTIPLICITIES = [1, 1, 3, 3, 1, 3, 1, 1, 3, 2]
SPLITS = ["train"] * 7 + ["validation"] + ["test"] * 2
IMAGES = np.random.default_rng(0).poisson(3.0, (10, 16, 16)).astype(np.uint16)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Ten patterns in five shards."""
    folder = tmp_path_factory.mktemp("datasets") / "noisy"
    return open_dataset(
        make_dataset(folder, IMAGES, STRUCTURES, MULTIPLICITIES, patterns_per_shard=2, patterns_per_chunk=1)
    )


def corner(images: np.ndarray) -> np.ndarray:
    """Two numbers of each image (n, 16, 16), as float32."""
    assert images.dtype == np.float32
    return np.column_stack([images[:, 0, 0], images[:, 3, 5] - images[:, 9, 1]])


@pytest.mark.parametrize("rows", [slice(0, 10), slice(7, 10), slice(3, 8), slice(5, 6)])
def test_every_row_is_of_its_pattern(dataset: Dataset, rows: slice) -> None:
    """Also where the rows begin and end within a shard."""
    found = embedded_by(corner, dataset, rows)
    assert found.embeddings.dtype == np.float32
    assert np.array_equal(found.embeddings, corner(IMAGES[rows].astype(np.float32)))
    assert found.structure.tolist() == STRUCTURES[rows]
    assert found.hit_multiplicity.tolist() == MULTIPLICITIES[rows]
    assert found.split.tolist() == SPLITS[rows]
    assert found.is_single.tolist() == [number == 1 for number in MULTIPLICITIES[rows]]
    assert found.photons.dtype == np.float64
    assert found.photons.tolist() == IMAGES[rows].sum(axis=(1, 2)).tolist()


def test_photons_are_summed_in_double_precision(tmp_path: Path) -> None:
    """2²⁴ and one more, which no float32 holds."""
    images = np.zeros((10, 16, 16), np.float32)
    images[:, 0, 0], images[:, 1, 1] = 2.0**24, 1.0
    bright = open_dataset(make_dataset(tmp_path / "bright", images, STRUCTURES, MULTIPLICITIES))
    assert embedded_by(corner, bright, slice(0, 10)).photons.tolist() == [2.0**24 + 1] * 10


def test_progress_names_the_dataset(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    said = []
    monkeypatch.setattr(
        "evaluate.predictions.embeddings.by_shard",
        lambda dataset, rows, reduced, what: said.append(what) or np.zeros((10, 3)),
    )
    embedded_by(corner, dataset, slice(0, 10))
    assert said == ["embeddings of noisy"]


def alike(one: Embedded, other: Embedded) -> bool:
    return all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(one, other, strict=True))


def test_files_hold_each_dataset_by_its_name(dataset: Dataset, tmp_path: Path) -> None:
    noisy, part = embedded_by(corner, dataset, slice(0, 10)), embedded_by(corner, dataset, slice(7, 10))
    write_embedded({"noisy": noisy, "dim": part}, tmp_path / "seed0.npz")
    assert alike(read_embedded(tmp_path / "seed0.npz", "noisy"), noisy)
    assert alike(read_embedded(tmp_path / "seed0.npz", "dim"), part)
    with pytest.raises(KeyError):
        read_embedded(tmp_path / "seed0.npz", "clean")


def test_what_was_learned_from_is_of_the_training_split(dataset: Dataset, tmp_path: Path) -> None:
    """The file says of each pattern what it is, and whether it is single, for who knows no targets."""
    known = embedded_by(corner, dataset, slice(0, 7))
    write_support(known, tmp_path / "support.npz")
    assert alike(read_support(tmp_path / "support.npz"), known._replace(split=np.full(7, "train")))
    held = read_arrays(tmp_path / "support.npz")
    assert sorted(held) == ["embeddings", "hit_multiplicity", "is_single", "photons", "structure"]
    assert held["is_single"].tolist() == known.is_single.tolist()


def test_patterns_are_taken_with_all_that_they_are(dataset: Dataset) -> None:
    found = embedded_by(corner, dataset, slice(0, 10))
    assert alike(found.take(np.array([4, 1])), Embedded(*(column[[4, 1]] for column in found)))
    rings, others = found.of({"ring"}), found.without({"ring"})
    assert set(rings.structure) == {"ring"}
    assert set(others.structure) == {"ball"}
    assert len(rings.embeddings) + len(others.embeddings) == 10
    assert found.in_split("test").photons.tolist() == found.photons[8:].tolist()
    assert np.array_equal(found.support.embeddings, found.embeddings)
    assert np.array_equal(found.support.is_single, found.is_single)
