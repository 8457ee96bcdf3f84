"""Augmentation: against a loop over pixels, an analytic pattern, and what its words promise."""

import numpy as np
import pytest
import torch
from scipy import stats

from train.batches.augment import SCALES, Transforms, augment, draw, transformed

SEEDS = np.random.default_rng(0).integers(0, 2**64, size=4000, dtype=np.uint64)
SHAPE = 18, 23


def one(*, flip_x: bool = False, flip_y: bool = False, scale: float = 1.0, angle: float = 0.0) -> Transforms:
    return Transforms(np.array([flip_x]), np.array([flip_y]), np.array([scale]), np.array([angle]))


def slow(image: np.ndarray, transforms: Transforms, n: int) -> np.ndarray:
    """Pixel by pixel in float64: each asks its four neighbours, before the turn, the scale and the flips."""
    flip_x, flip_y, scale, angle = (values[n] for values in transforms)
    ny, nx = image.shape
    result = np.zeros(image.shape)
    for row in range(ny):
        for column in range(nx):
            place = complex(column - (nx - 1) / 2, row - (ny - 1) / 2) * np.exp(-1j * angle) / scale
            x, y = (-place.real if flip_x else place.real), (-place.imag if flip_y else place.imag)
            x, y = x + (nx - 1) / 2, y + (ny - 1) / 2
            for r in (int(np.floor(y)), int(np.floor(y)) + 1):
                for c in (int(np.floor(x)), int(np.floor(x)) + 1):
                    if 0 <= r < ny and 0 <= c < nx:
                        result[row, column] += image[r, c] * (1 - abs(x - c)) * (1 - abs(y - r))
    return result


def test_it_is_a_loop_over_pixels() -> None:
    """Places are rounded to float32 some five times, at up to 15 pixels: 5 · 15 · 2⁻²⁴ pixels along each axis, times
    the largest step between neighbours (1, of values in [0, 1) and 0 outside); and of values 4 roundings."""
    images = np.random.default_rng(1).random((12, *SHAPE), dtype=np.float32)
    transforms = draw(SEEDS[:12])
    assert len({(x, y) for x, y in zip(transforms.flip_x, transforms.flip_y, strict=True)}) == 4
    ours = transformed(torch.as_tensor(images), transforms).numpy()
    theirs = np.stack([slow(image, transforms, n) for n, image in enumerate(images)])
    assert np.abs(ours - theirs).max() < 2 * 5 * 15 * 2**-24 + 4 * 2**-24


def test_what_is_double_stays_double() -> None:
    """Places of float64: 2⁻²⁹ of the error that float32 leaves."""
    images = np.random.default_rng(1).random((4, *SHAPE))
    transforms = draw(SEEDS[:4])
    ours = transformed(torch.as_tensor(images), transforms)
    assert ours.dtype == torch.float64
    theirs = np.stack([slow(image, transforms, n) for n, image in enumerate(images)])
    assert np.abs(ours.numpy() - theirs).max() < (2 * 5 * 15 + 4) * 2**-53


def test_images_stay_on_their_device() -> None:
    """The device `meta` computes nothing, and refuses what lies elsewhere."""
    images = torch.zeros(3, *SHAPE, device="meta")
    assert augment(images, SEEDS[:3]).device.type == "meta"


def test_a_smooth_pattern_is_turned_and_scaled() -> None:
    """A Gaussian, known between pixels too: bilinear interpolation errs by (|f_xx| + |f_yy|)/8 at most. Flips first."""
    width, at = 6.0, np.array([7.0, 3.0])

    def gaussian(x: np.ndarray, y: np.ndarray, size: float) -> np.ndarray:
        return np.exp(-(x**2 + y**2) / (2 * (size * width) ** 2))

    axis = np.arange(64) - 31.5
    image = gaussian(axis[None] - at[0], axis[:, None] - at[1], 1.0).astype(np.float32)
    scale, angle = 1.07, 0.6
    result = transformed(torch.as_tensor(image)[None], one(flip_y=True, scale=scale, angle=angle))[0].numpy()
    turn = np.exp(1j * angle)
    errors = []
    for place in (complex(at[0], -at[1]) * turn, (complex(*at) * turn).conjugate()):
        x, y = axis[None] - scale * place.real, axis[:, None] - scale * place.imag
        errors.append(np.abs(result - gaussian(x, y, scale)).max())
    assert errors[0] < 2 / width**2 / 8 + 1e-5  # second derivatives are 1/width² on the peak
    assert errors[1] > 0.5  # had it been flipped last


def test_angles_go_from_x_towards_y() -> None:
    image = torch.zeros(1, 9, 9)
    image[0, 4, 7] = 1  # on +x
    turned = transformed(image, one(angle=np.pi / 2))
    assert turned[0, 7, 4] == pytest.approx(1, abs=1e-5)  # on +y


def test_flips_alone_and_nothing_at_all() -> None:
    """Whole pixels: to the rounding of float32 places, some 12 · 2⁻²³ pixels, of values below 1."""
    image = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(1))
    for transforms, expected in (
        (one(), image),
        (one(flip_x=True), image.flip(2)),
        (one(flip_y=True), image.flip(1)),
        (one(flip_x=True, flip_y=True), image.flip(1, 2)),
    ):
        assert (transformed(image, transforms) - expected).abs().max() < 1e-5


def test_a_pattern_is_transformed_alike_whatever_comes_with_it() -> None:
    images = torch.rand(10, *SHAPE, generator=torch.Generator().manual_seed(2))
    whole = augment(images, SEEDS[:10])
    parts = [augment(images[part], SEEDS[part]) for part in (slice(0, 1), slice(1, 8), slice(8, 10))]
    assert torch.equal(torch.cat(parts), whole)
    backwards = augment(images.flip(0), SEEDS[:10][::-1].copy())
    assert torch.equal(backwards.flip(0), whole)
    assert not torch.equal(augment(images, SEEDS[10:20]), whole)


def test_transforms_are_drawn_as_the_poster_says() -> None:
    made = draw(SEEDS)
    for flips in (made.flip_x, made.flip_y, made.flip_x ^ made.flip_y):  # and are independent
        assert flips.mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(len(SEEDS)))
    assert stats.kstest(made.angle / (2 * np.pi), "uniform").pvalue > 1e-4
    assert stats.kstest((made.scale - SCALES[0]) / (SCALES[1] - SCALES[0]), "uniform").pvalue > 1e-4


def test_the_sum_of_a_pattern_grows_with_its_area() -> None:
    """Of a Gaussian well inside the image. Bilinear interpolation keeps an integral; summing at another step aliases
    its spectrum from 0.1 of the pixels' frequency: sinc²(0.9) exp(−(0.2π 6)²/2) ~ 1e-5.
    """
    axis = torch.arange(64) - 31.5
    image = torch.exp(-(axis**2 + axis[:, None] ** 2) / 72)[None]
    for scale in SCALES:
        assert (transformed(image, one(scale=scale)).sum() / image.sum()).item() == pytest.approx(scale**2, rel=5e-5)


def test_counts_are_not_augmented_as_they_are() -> None:
    with pytest.raises(TypeError, match=r"torch\.uint8"):
        augment(torch.zeros(1, 8, 8, dtype=torch.uint8), SEEDS[:1])
