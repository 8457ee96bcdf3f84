"""Pictures of frames, their colours, boxes that move along, bins on rings and angles."""

import matplotlib
import numpy as np
import pytest
import torch

from train.batches.drawn import Boxed, DrawnBatches, jittered, labelled
from train.batches.polar_bins import polar_bins
from train.batches.representation import BRIGHTEST, Representation, brightest, jet, pictures, resized_boxes, turned


def test_jet_is_the_map_of_that_name() -> None:
    grey = torch.linspace(0, 1, 256).view(1, 1, 1, 256)
    expected = matplotlib.colormaps["jet"](np.linspace(0, 1, 256))[:, :3]
    np.testing.assert_allclose(jet(grey)[0, :, 0].T.numpy(), expected, atol=1e-5)


def test_a_picture_is_cut_scaled_and_resized() -> None:
    frames = np.zeros((2, 80, 100))
    frames[0, 10:42, 20:52] = 7
    frames[1] = np.arange(100)
    mask = np.zeros((80, 100), bool)
    mask[:12] = True
    drawn = pictures(frames, mask, Representation("grayscale", "linear", 32, (10, 42, 20, 52)))
    assert drawn.shape == (2, 32, 32)
    assert (drawn[0, 2:] == 255).all()
    assert not drawn[0, :2].any()
    assert (np.diff(drawn[1, 5].astype(int)) >= 0).all()
    log = pictures(frames, mask, Representation("grayscale", "log", 32, (10, 42, 20, 52)))
    white = np.quantile(np.log1p(np.arange(20, 52)).repeat(30), 0.995)
    assert log[1, 5, 0] == pytest.approx(255 * np.log1p(20) / white, abs=1)
    with pytest.raises(ValueError, match="frames are 80 x 100"):
        pictures(frames, mask, Representation(roi=(0, 90, 0, 10)))
    with pytest.raises(ValueError, match="multiple of 32"):
        Representation(image_size=100)


def test_boxes_are_resized_with_the_picture() -> None:
    box = resized_boxes(np.array([[60.0, 120, 20, 40]]), (240, 123), Representation(image_size=416))
    np.testing.assert_allclose(box, [[60 * 416 / 123, 208, 20 * 416 / 123, 40 * 416 / 240]], rtol=1e-6)


def test_a_turned_hue_keeps_grey_and_brings_red_to_green() -> None:
    colours = torch.tensor([[1.0, 0, 0], [0.3, 0.3, 0.3]]).view(2, 3, 1, 1)
    found = turned(colours, torch.tensor([2 * torch.pi / 3] * 2)).view(2, 3)
    torch.testing.assert_close(found, torch.tensor([[0.0, 1, 0], [0.3, 0.3, 0.3]]), atol=1e-6, rtol=0)


def test_boxes_move_with_what_they_hold() -> None:
    images = np.zeros((40, 64, 64), np.uint8)
    images[:, 24:40, 16:36] = 255
    batch = labelled(images, np.ones(40, bool), np.tile([26.0, 32, 20, 16], (40, 1)))
    moved = jittered(batch, np.random.default_rng(0), 0.2)
    for image, (x, y, width, height) in zip(moved.images, moved.boxes, strict=True):
        columns, rows = np.flatnonzero(image.max(0) > 127), np.flatnonzero(image.max(1) > 127)
        if columns[0] == 0 or columns[-1] == 63:
            continue  # cut off
        assert (columns[0] + columns[-1] + 1) / 2 == pytest.approx(x, abs=1)
        assert (rows[0] + rows[-1] + 1) / 2 == pytest.approx(y, abs=1)
        assert columns[-1] - columns[0] + 1 == pytest.approx(width, abs=2)
        assert rows[-1] - rows[0] + 1 == pytest.approx(height, abs=2)


def test_an_epochs_batches_follow_from_seed_and_number() -> None:
    frames = labelled(np.arange(10)[:, None, None] * np.ones((1, 2, 2)), np.arange(10) < 3)
    batches = DrawnBatches(frames, 4, 5, seed=1)
    first, again = ([batch.images[:, 0, 0] for batch in batches.epoch(2)] for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, [batch.images[:, 0, 0] for batch in batches.epoch(3)])
    assert sorted(np.concatenate(first)[:10]) == list(range(10))
    even = DrawnBatches(frames, 4, 5, seed=1, balanced=True)
    assert [batch.single.sum() for batch in even.epoch(1)] == [2] * 5
    with pytest.raises(ValueError, match="0 of 10 labelled frames"):
        DrawnBatches(labelled(frames.images, np.zeros(10, bool)), 4, 5, 1)
    assert isinstance(next(iter(batches.epoch())), Boxed)


def test_bins_hold_every_live_pixel_between_the_rings_once() -> None:
    generator = np.random.default_rng(0)
    frames, mask = generator.poisson(3, (2, 30, 20)), generator.random((30, 20)) < 0.2
    bins = polar_bins((30, 20), (18.5, 14.5), mask, 6, 8, 2, 12)
    y, x = np.mgrid[:30, :20]
    r, angle = np.hypot(x - 18.5, y - 14.5), np.arctan2(y - 14.5, x - 18.5) % np.pi
    found = bins.of(frames)
    for ring in range(6):
        for a in range(8):
            low = 2 + ring * 10 / 6
            here = (r >= low) & (r < low + 10 / 6) & ~mask
            here &= (angle >= a * np.pi / 8) & (angle < (a + 1) * np.pi / 8)
            assert bins.live[ring, a] == here.sum()
            np.testing.assert_allclose(found[:, ring, a], frames[:, here].sum(1))
    np.testing.assert_allclose(
        bins.of(frames, log=True).sum(), np.log1p(frames)[:, (r >= 2) & (r < 12) & ~mask].sum(), rtol=1e-5
    )
    with pytest.raises(ValueError, match="check the centre and the mask"):
        polar_bins((30, 20), (9, 9), np.ones((30, 20), bool))


@pytest.mark.parametrize("pixels", [1, 2, 150, 201, 5000])
def test_white_is_the_quantile_of_the_live_pixels(pixels: int) -> None:
    values = np.random.default_rng(pixels).poisson(3.0, (7, pixels)).astype(np.float32)
    np.testing.assert_allclose(brightest(values), np.quantile(values, BRIGHTEST, axis=1), rtol=1e-6)


def test_a_quarter_of_a_batch_is_of_each_group() -> None:
    single = np.array([True] * 5 + [False] * 20 + [True] * 11 + [False] * 7)
    frames = labelled(np.arange(43.0, dtype=np.float32)[:, None, None], single)
    groups = np.concatenate((frames.single[:25], 2 + frames.single[25:]))
    batches = DrawnBatches(frames, 16, 9, 0, balanced=True, groups=groups)
    for batch in batches.epoch(1):
        drawn = groups[np.asarray(batch.images)[:, 0, 0].astype(int)]
        assert np.bincount(drawn).tolist() == [4, 4, 4, 4]
    assert [batch.images.tolist() for batch in DrawnBatches(frames, 16, 9, 0, balanced=True).epoch(1)] == [
        batch.images.tolist() for batch in DrawnBatches(frames, 16, 9, 0, groups=frames.single).epoch(1)
    ]
