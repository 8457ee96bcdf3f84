"""Hits and sizes: of real frames, and of ones whose size is known."""

import os
from pathlib import Path

import numpy as np
import pytest

from evaluate.virus.hits import HitsConfig, annulus, find_hits, poisson_sigmas
from evaluate.virus.sizes import SizesConfig, anisotropy, measure
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


def test_nothing_is_no_hit_and_a_mask_without_pixels_is_refused() -> None:
    frames = np.random.default_rng(0).poisson(0.05, (4, *GEOMETRY.shape)).astype(float)
    assert not find_hits(frames, GEOMETRY.mask, CENTRE["binned"], HitsConfig()).hit.any()
    with pytest.raises(ValueError, match="no live pixel"):
        annulus(np.ones((9, 9), bool), (4, 4), 1, 3)
    with pytest.raises(ValueError, match="must be the same"):
        find_hits(frames[:, 1:], GEOMETRY.mask, CENTRE["binned"], HitsConfig())


def test_the_score_is_that_of_a_gaussian_where_counts_are_many() -> None:
    assert poisson_sigmas(np.array([1e6 + 5e3, 10.0]), 1e6) == pytest.approx([5.0, 0.0], rel=0.01)
