"""The network for one core: its places and rings against slow ones, turns, and the layers it shares with `folded`."""

import numpy as np
import pytest
import torch
from torch.nn.functional import grid_sample

from train.models.polar.folded import Folded, by_twos
from train.models.polar.polar import N_ANGLES, N_RINGS
from train.models.polar.rings import polar_places
from train.models.polar.swift import NONE, SEEN, Swift, of_rings
from train.models.registry import build

SIZES = {"hit_multiplicity": 4, "structure": 3}


def patterns(n: int = 3, n_pixels: int = 128) -> torch.Tensor:
    """A falling pattern, read with noise."""
    generator = np.random.default_rng(0)
    y, x = np.indices((n_pixels, n_pixels)) - (n_pixels - 1) / 2
    mean = 1e3 / (1 + np.hypot(x, y)) ** 2
    read = generator.poisson(mean, (n, n_pixels, n_pixels)) + 0.15 * generator.normal(size=(n, n_pixels, n_pixels))
    return torch.from_numpy(read.astype(np.float32))[:, None]


def test_places_hold_the_photons_of_opposite_pixels_one_by_one():
    """Bilinear by its definition, at both ends, then added. float32 of hundreds of photons: 1e-4."""
    image = patterns(1)
    found = Swift(SIZES).places(image)[0, 0].numpy()
    pixels = image[0, 0].double().numpy()
    photons = pixels / (1 + np.exp(-6 * (pixels - SEEN)))

    def read(map_: np.ndarray, x: float, y: float) -> float:
        column, row = int(np.floor(x)), int(np.floor(y))
        right, down = x - column, y - row
        upper = (1 - right) * map_[row, column] + right * map_[row, column + 1]
        lower = (1 - right) * map_[row + 1, column] + right * map_[row + 1, column + 1]
        return (1 - down) * upper + down * lower

    halved = photons.reshape(64, 2, 64, 2).mean((1, 3))
    for ring, angle in ((0, 0), (5, 13), (31, 63), (32, 1), (40, 40), (46, 22)):
        map_, radius = (photons, ring + 0.5) if ring < N_RINGS else (halved, ring - N_RINGS + N_RINGS // 2 + 0.5)
        turn = 2 * np.pi * angle / N_ANGLES
        middle = (len(map_) - 1) / 2
        expected = sum(
            read(map_, middle + sign * radius * np.cos(turn), middle + sign * radius * np.sin(turn)) for sign in (1, -1)
        )
        assert found[ring, angle] == pytest.approx(max(expected, 0), rel=1e-4, abs=1e-4)


def test_adding_first_is_sampling_first():
    """As `folded` does it: at all angles, then opposite ones added."""
    images = patterns()
    photons = images * (6 * (images - SEEN)).sigmoid()
    inner = grid_sample(photons, polar_places(range(N_RINGS), N_ANGLES, 64).expand(3, -1, -1, -1), align_corners=False)
    outer = grid_sample(
        by_twos(photons), polar_places(range(16, 32), N_ANGLES, 32).expand(3, -1, -1, -1), align_corners=False
    )
    both = torch.cat((inner, outer), 2)
    expected = (both[..., : N_ANGLES // 2] + both[..., N_ANGLES // 2 :]).relu()
    torch.testing.assert_close(Swift(SIZES).places(images), expected, rtol=1e-4, atol=1e-4)


def test_moments_are_those_of_each_ring_of_places():
    photons = torch.rand(2, 1, 48, 64).double() * 5
    found = of_rings(photons)
    pixel = photons[:, 0].numpy() / 2
    rings = [*range(N_RINGS), *(ring for ring in range(N_RINGS, 48) for _ in range(2))]
    expected = np.arcsinh(20 * np.concatenate((pixel.mean(2)[:, rings], pixel.var(2)[:, rings]), 1))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)


def test_its_steps_are_powers_of_the_photons_of_a_place():
    """S^p / (S^p + c^p), S with what is added to it before its logarithm."""
    model, photons = Swift(SIZES), torch.tensor([0.0, 0.3, 1.0, 20.0])[None, None, None]
    steps = (model.powers * (photons + NONE).log() - model.offsets).sigmoid()[0, :, 0]
    powers, halves = (
        torch.tensor(values)[:, None] for values in ((1.35, 1.4, 1.7, 2.0, 2.2), (0.9, 1.5, 2.3, 2.9, 3.4))
    )
    there = (photons[0, 0] + NONE) ** powers
    torch.testing.assert_close(steps, there / (there + halves**powers))


def test_a_quarter_turn_changes_nothing():
    torch.manual_seed(0)
    model, images = build("swift", SIZES).eval(), patterns()
    with torch.inference_mode():
        for one, other in zip(model(images).values(), model(torch.rot90(images, 1, (2, 3))).values(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_a_dark_frame_and_one_far_below_zero_have_an_answer():
    model = build("swift", SIZES).eval()
    with torch.inference_mode():
        answers = model(torch.stack((torch.zeros(1, 128, 128), torch.full((1, 128, 128), -1e4))))
    assert all(torch.isfinite(head).all() for head in answers.values())


def test_what_it_shares_with_folded_is_called_alike_but_for_the_first_block():
    folded = {name: weights.shape for name, weights in Folded(SIZES).state_dict().items()}
    swift = {name: weights.shape for name, weights in Swift(SIZES).state_dict().items()}
    assert {name for name in folded if folded[name] != swift.get(name)} == {
        name for name in folded if name.startswith("layers.2.")
    }
    assert set(swift) - set(folded) == {"powers", "offsets"}
