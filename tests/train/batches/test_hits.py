"""Batches of prepared frames: each once, classes as often, halves of two domains, turned without a change of answer."""

from dataclasses import replace

import numpy as np
import pytest

from support.made.hit_frames import vectors
from train.batches.hits import SOURCE, TARGET, DomainBatches, HitBatches, HitData, centred, split_rows, varied
from train.config.hit_recipe import HitRecipe

RECIPE = HitRecipe(batch_size=8, epochs=2)


def seen(batches: HitBatches, number: int = 1) -> list[np.ndarray]:
    return [batch.images for batch in batches.epoch(number)]


def test_every_frame_is_seen_once_an_epoch_in_an_order_of_its_own() -> None:
    data = vectors(30)
    batches = HitBatches(data, replace(RECIPE, turn=False), 4)
    first = np.concatenate(seen(batches))
    assert len(batches) == 4
    np.testing.assert_array_equal(np.sort(first, 0), np.sort(data.inputs, 0))
    np.testing.assert_array_equal(first, np.concatenate(seen(batches)))
    assert not np.array_equal(first, np.concatenate(seen(batches, 2)))


def test_balanced_classes_come_as_often() -> None:
    batches = HitBatches(vectors(60), replace(RECIPE, class_balanced=True, steps=60), 0)
    counts = np.bincount(np.concatenate([batch.labels["hit"] for batch in batches.epoch(3)]))
    assert counts.sum() == 480
    assert np.abs(counts - 160).max() < 4 * np.sqrt(480 * 2 / 9)  # four deviations of a binomial law
    with pytest.raises(ValueError, match="without a label"):
        HitBatches(vectors(60).unlabelled(), replace(RECIPE, class_balanced=True), 0)


def test_halves_are_of_source_and_target_and_targets_labels_are_gone() -> None:
    source, target = vectors(30, 0, "a"), vectors(12, 1, "b")
    parts = list(DomainBatches(source, target, RECIPE, 0).epoch(1))
    assert sum(map(len, parts)) == 60
    for part in parts:
        half = len(part) // 2
        assert (part.labels["domain"][:half] == SOURCE).all()
        assert (part.labels["domain"][half:] == TARGET).all()
        assert (part.labels["hit"][half:] == -1).all()
        assert (part.labels["hit"][:half] >= 0).all()
    with pytest.raises(ValueError, match="even number"):
        DomainBatches(source, target, replace(RECIPE, batch_size=7), 0)


def test_images_are_turned_and_cut_but_keep_their_values() -> None:
    images = np.arange(2 * 6 * 6, dtype=np.float32).reshape(2, 6, 6)
    turned = varied(images, RECIPE, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(turned.reshape(2, -1)), images.reshape(2, -1))
    assert not np.array_equal(turned, images)
    cut = replace(RECIPE, crop=4, turn=False)
    for part, image in zip(varied(images, cut, np.random.default_rng(1)), images, strict=True):
        assert part.shape == (4, 4)
        assert part[0, 1] - part[0, 0] == 1
        assert np.isin(part, image).all()
    np.testing.assert_array_equal(centred(images, cut), images[:, 1:5, 1:5])


def test_splits_hold_every_row_once() -> None:
    for order in ("shuffled", "sequential"):
        split = split_rows(50, (20, 10, 20), order, 3)  # type: ignore[arg-type]
        np.testing.assert_array_equal(np.sort(np.concatenate(split)), np.arange(50))
    assert split.train.tolist() == [*range(20)]
    with pytest.raises(ValueError, match=r"lo19 has 50 frames, but 40 \+ 10 \+ 20"):
        split_rows(50, (40, 10, 20), "shuffled", 0, "lo19")


def test_labels_of_another_file_are_noticed() -> None:
    data = vectors(10)
    with pytest.raises(ValueError, match=r"10 frames, 9 labels and 10 rows.*another file"):
        HitData("a", data.inputs, data.label[:9], data.row)
