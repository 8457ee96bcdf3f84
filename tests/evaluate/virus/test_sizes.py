"""Hits and sizes: of real frames, and of ones whose size is known."""

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from evaluate.virus.hits import HitsConfig, annulus, find_hits, poisson_sigmas
from evaluate.virus.sizes import SizesConfig, anisotropy, darkest, fitted_pedestal, measure
from simulate.virus.detector import CENTRE, geometry_of
from simulate.virus.icosahedron import EQUAL_VOLUME_SPHERE, icosahedron

REAL = Path(os.environ.get("SINGLEHIT_SHARED", Path(__file__).parents[4] / "shared")) / "real-frames" / "pr772"
GEOMETRY = geometry_of("binned")
Q = np.linalg.norm(GEOMETRY.q, axis=-1)


@pytest.mark.skipif(not REAL.exists(), reason=f"no real frames in {REAL}; SINGLEHIT_SHARED names the folder")
def test_real_frames_have_the_sizes_that_others_found() -> None:
    frames = np.load(REAL / "frames-0-4-adu.npy") / 8.1
    mask = (np.load(REAL / "mask.npy") + np.load(REAL / "artifacts.npy")).astype(bool)
    assert find_hits(frames, mask, (130, 128), HitsConfig()).hit.all()
    sizes = measure(frames, mask, (130, 128), Q, SizesConfig())
    assert sizes.diameter_nm[1:3] == pytest.approx(70.2, rel=0.03)
    assert sizes.right_size.tolist() == [False, True, True, True, False]
    assert sizes.one_particle.tolist() == [False, True, True, False, False]  # 3 is a dimer of a single's size


@pytest.mark.skipif(not REAL.exists(), reason=f"no real frames in {REAL}; SINGLEHIT_SHARED names the folder")
@pytest.mark.parametrize("off", [(2, 2), (-2, -2), (3, 0), (0, -3)])
def test_real_frames_are_told_apart_where_the_beam_is_some_pixels_off_its_place(off: tuple[int, int]) -> None:
    frames = np.load(REAL / "frames-0-4-adu.npy") / 8.1
    mask = (np.load(REAL / "mask.npy") + np.load(REAL / "artifacts.npy")).astype(bool)
    sizes = measure(frames, mask, (130 + off[0], 128 + off[1]), Q, SizesConfig())
    assert (sizes.right_size & sizes.one_particle).tolist() == [False, True, True, False, False]
    assert sizes.diameter_nm[1:3] == pytest.approx(70.2, rel=0.04)


def test_unevenness_is_that_of_a_loop_over_pixels_and_no_odd_part_of_it() -> None:
    generator = np.random.default_rng(0)
    y, x = np.mgrid[-30:31, -30:31].reshape(2, -1)
    r = np.hypot(x, y)
    ring, angle, q = r.astype(int), np.arctan2(y, x), r * 1e-3
    there = (r > 5) & (generator.random(len(r)) < 0.9)
    values = generator.poisson(20 * (1 + 0.5 * np.cos(2 * angle)))
    limit = 0.85 * 4.493 / (5 * 60 * EQUAL_VOLUME_SPHERE)
    counted, mean = {}, {}
    for k in np.flatnonzero(there & (q < limit)):
        counted.setdefault(ring[k], []).append(values[k])
    for number, some in counted.items():
        mean[number] = sum(some) / len(some)
    got, expected = {}, {}
    for k in np.flatnonzero(there & (q < limit)):
        sector = ring[k] // 4, int((angle[k] / np.pi % 1) * 12) % 12
        got[sector] = got.get(sector, 0) + values[k]
        expected[sector] = expected.get(sector, 0) + mean[ring[k]]
    slow = np.sqrt(sum(((got[s] - expected[s]) ** 2 - expected[s]) / expected[s] for s in got) / sum(expected.values()))
    assert anisotropy(values, there, ring, angle, q, 60.0) == pytest.approx(slow)
    odd = generator.poisson(20 * (1 + 0.5 * np.cos(angle)))
    assert anisotropy(odd, r > 5, ring, angle, q, 60.0) < 0.05 < 0.3 < slow


@pytest.mark.parametrize("diameter", [60.0, 70.0, 80.0])
def test_an_icosahedron_is_found_to_be_as_large_as_it_is(diameter: float) -> None:
    turned = np.linalg.qr(np.random.default_rng(int(diameter)).normal(size=(3, 3)))[0]
    expected = icosahedron(GEOMETRY.q @ turned, 5 * diameter) ** 2 * GEOMETRY.photons_per_electron2()
    frame = np.random.default_rng(0).poisson(1e5 * expected / expected.sum())
    found = measure(frame[None], GEOMETRY.mask, CENTRE["binned"], Q, SizesConfig())
    assert found.diameter_nm[0] == pytest.approx(diameter, rel=0.03)
    assert found.right_size[0]
    assert found.one_particle[0]


@lru_cache
def shot(diameter: float, seed: int, apart: float = 0.0) -> np.ndarray:
    """Expected photons of an icosahedron in any orientation, or of two side by side, 1e5 in all."""
    generator = np.random.default_rng(seed)
    turned = np.linalg.qr(generator.normal(size=(3, 3)))[0]
    field = icosahedron(GEOMETRY.q @ turned, 5 * diameter)
    if apart:
        turn = generator.uniform(0, np.pi)
        field = 2 * field * np.cos(GEOMETRY.q[..., :2] @ [np.cos(turn), np.sin(turn)] * 5 * diameter * apart)
    expected = field**2 * GEOMETRY.photons_per_electron2()
    return 1e5 * expected / expected.sum()


@pytest.mark.parametrize("pedestal", [-0.3, 0.0, 0.05, 0.25, 0.5, 2.0])
@pytest.mark.parametrize("of", ["dark level", "light"])
def test_sizes_and_dimers_are_those_without_a_pedestal(pedestal: float, of: str) -> None:
    if of == "light" and pedestal < 0:
        pytest.skip("light adds photons")
    generator = np.random.default_rng(1)
    frames = []
    for k, (diameter, apart) in enumerate([(65.0, 0), (70.0, 0), (75.0, 0), (70.0, 0.95)]):
        expected = shot(diameter, k, apart) + (pedestal if of == "light" else 0)
        noise = generator.normal(0, 0.216, expected.shape) + (pedestal if of == "dark level" else 0)
        frames.append(generator.poisson(expected) + noise)
    found = measure(np.array(frames), GEOMETRY.mask, CENTRE["binned"], Q, SizesConfig())
    assert found.diameter_nm[:3] == pytest.approx([65, 70, 75], rel=0.03)
    assert found.right_size[:3].all()
    assert found.one_particle.tolist() == [True, True, True, False]
    # 5 sigma of 2e4 pixels' noise, were brightness known, and as much again since it is fitted, too
    noise = 10 * np.sqrt((abs(pedestal) + 0.216**2) / 2e4)
    assert found.pedestal[:3] == pytest.approx(pedestal if abs(pedestal) >= 0.1 else 0, abs=noise)


def test_the_darkest_annulus_is_that_of_a_loop_and_knows_unusable_pixels() -> None:
    y, x = np.indices((90, 90))
    r = np.hypot(y - 45, x - 45)
    frames = np.random.default_rng(0).normal(5, 0.1, (2, 90, 90)) + np.where((r >= 32) & (r < 48), -3, 0)
    frames[1, 45, ::2] = np.nan
    mask = (r < 10) | ((r >= 32) & (r < 40))
    slow = []
    for frame in frames:
        means = []
        for low in range(0, 80, 16):
            inside = np.argwhere(~mask & (r >= max(low, 12)) & (r < low + 16))
            some = [frame[row, column] for row, column in inside]
            if len(some) >= 500:
                means.append(np.nanmean(some))
        slow.append(min(means))
    assert darkest(frames, mask, r, 12) == pytest.approx(slow, abs=0.015)  # 1,000 pixels of noise .1: 5 sigma
    assert slow == pytest.approx([2, 2], abs=0.02)
    assert darkest(frames, r > 20, r, 12).tolist() == [0, 0]


def test_a_pedestal_is_that_of_the_highest_likelihood() -> None:
    ring, n = np.arange(12, 80), 2 * np.pi * np.arange(12, 80)
    shape = n / (1 + (ring / 15.0) ** 4)
    shape /= shape.sum()
    profile = np.random.default_rng(0).poisson(5e4 * shape + 0.5 * n)

    def minus_likelihood(x: np.ndarray) -> float:
        expected = 1e4 * x[0] * shape + x[1] * n
        return float(expected.sum() - np.log(expected) @ profile)

    best = minimize(minus_likelihood, [4.0, 0.3], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9})
    assert fitted_pedestal(profile, n, shape[None], turns=10) == pytest.approx(best.x[1], abs=1e-5)
    assert best.x[1] == pytest.approx(0.5, abs=0.02)


@pytest.mark.skipif(not REAL.exists(), reason=f"no real frames in {REAL}; SINGLEHIT_SHARED names the folder")
@pytest.mark.parametrize("pedestal", [-0.3, 0.15, 0.5, 2.0])
def test_real_frames_are_told_apart_on_a_pedestal(pedestal: float) -> None:
    frames = np.load(REAL / "frames-0-4-adu.npy") / 8.1 + pedestal
    mask = (np.load(REAL / "mask.npy") + np.load(REAL / "artifacts.npy")).astype(bool)
    sizes = measure(frames, mask, (130, 128), Q, SizesConfig())
    assert (sizes.right_size & sizes.one_particle).tolist() == [False, True, True, False, False]
    assert sizes.diameter_nm[1:3] == pytest.approx(70.2, rel=0.03)


def test_nothing_is_no_hit_and_a_mask_without_pixels_is_refused() -> None:
    frames = np.random.default_rng(0).poisson(0.05, (4, *GEOMETRY.shape)).astype(float)
    assert not find_hits(frames, GEOMETRY.mask, CENTRE["binned"], HitsConfig()).hit.any()
    with pytest.raises(ValueError, match="no live pixel"):
        annulus(np.ones((9, 9), bool), (4, 4), 1, 3)
    with pytest.raises(ValueError, match="must be the same"):
        find_hits(frames[:, 1:], GEOMETRY.mask, CENTRE["binned"], HitsConfig())


def test_the_score_is_that_of_a_gaussian_where_counts_are_many() -> None:
    assert poisson_sigmas(np.array([1e6 + 5e3, 10.0]), 1e6) == pytest.approx([5.0, 0.0], rel=0.01)
