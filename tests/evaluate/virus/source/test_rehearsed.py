"""Simulated frames that ours learns from as well: what they are of, and that they are nobody else's."""

import numpy as np
import pytest

from evaluate.virus.sizes import SizesConfig
from evaluate.virus.source.rehearsed import read_rehearsal, rehearse
from frames.geometry import flat
from simulate.virus.config import RehearsalConfig, VirusConfig
from simulate.virus.plan import seeds_of
from simulate.virus.rehearsal import halos, made_up, rehearsed
from train.batches.polar_bins import polar_bins

PLACE = (40.0, 41.0)
"""row, column"""
LIVE = np.ones((80, 82))
LIVE[36:45, 37:46] = 0
GEOMETRY = flat(7.75, 586, 600, *PLACE, LIVE)
BINS = polar_bins(GEOMETRY.shape, PLACE[::-1], GEOMETRY.mask, 12, 24, 5)
SIZES = SizesConfig(inner_px=6, outer_px=40)
FEW = RehearsalConfig(shots=40, viruses=2)


@pytest.fixture(scope="module")
def fired() -> tuple[np.ndarray, np.ndarray]:
    """Frames and kinds of all shots, recorded as whole photons."""
    parts = list(rehearsed(FEW, GEOMETRY, None))
    return np.concatenate([part.frames for part in parts]), np.concatenate([part.kind for part in parts])


def test_viruses_are_made_up_anew_within_what_is_said() -> None:
    config = RehearsalConfig(viruses=20, off=0.2)
    known, found = VirusConfig(), made_up(config)
    for name in ("capsid", "membrane", "core", "droplet"):
        factors = np.array([getattr(one, name) for one in found]) / getattr(known, name)
        assert 0.8 <= factors.min() < 0.9
        assert 1.1 < factors.max() <= 1.2
    assert all(0.8 * 0.13 <= 1 - one.membrane_from <= 1.2 * 0.2 for one in found)
    assert found == made_up(config)
    assert found != made_up(config.model_copy(update={"seed": 1}))


def test_frames_of_a_detector_that_adds_nothing_are_whole_photons(fired) -> None:
    frames, kind = fired
    assert len(frames) == len(kind) == 40
    assert np.array_equal(frames, np.rint(frames))
    assert not frames[:, GEOMETRY.mask].any()
    photons = frames[kind == "single"].sum((1, 2))  # (66/70)^3 to (79/70)^3 times what is asked for, about
    assert 3e4 < photons.min() < photons.max() < 5e5


def test_what_passes_the_size_filter_is_kept_on_rings_and_angles(fired, tmp_path) -> None:
    found = rehearse(FEW, GEOMETRY, PLACE, None, SIZES, BINS)
    frames, kind = fired
    singles = kind == "single"
    assert (found.kind == "single").sum() == singles.sum() > 5  # every single hit is of the right size
    assert singles.sum() < len(found.kind) < 40
    assert np.array_equal(found.polar[found.kind == "single"], BINS.of(frames[singles]))
    assert np.array_equal(found.labelled.single == 1, found.kind == "single")
    found.write(tmp_path / "rehearsal.npz")
    again = read_rehearsal(tmp_path / "rehearsal.npz")
    assert np.array_equal(again.polar, found.polar)
    assert again.kind.tolist() == found.kind.tolist()


def test_halos_are_as_bright_and_as_wide_as_is_said() -> None:
    config = RehearsalConfig(halo_photons=40.0, halo_reach=(0.3, 0.3))
    q = np.linalg.norm(GEOMETRY.q, axis=-1)
    found = halos(np.arange(300, dtype=np.uint64), config, GEOMETRY)
    mean, shape = found.mean(0), np.exp(-q / (0.3 * GEOMETRY.q_max))
    # strengths are uniform: mean 1/2, and 1/sqrt(12) over sqrt(300) frames is 1/60
    assert mean[~GEOMETRY.mask].sum() / shape[~GEOMETRY.mask].sum() == pytest.approx(20, abs=4 * 40 / 60)
    bright = mean / shape
    assert bright[q < 0.3 * GEOMETRY.q_max][~GEOMETRY.mask[q < 0.3 * GEOMETRY.q_max]].mean() == pytest.approx(
        bright[q > 0.6 * GEOMETRY.q_max].mean(), rel=0.05
    )
    assert not found[:, GEOMETRY.mask].any()
    assert np.array_equal(found[5:6], halos(np.array([5], np.uint64), config, GEOMETRY))
    with pytest.raises(ValueError, match=r"halo_reach \(0\.5, 0\.2\): expected"):
        RehearsalConfig(halo_reach=(0.5, 0.2))
    with pytest.raises(ValueError, match="no kind is called 'dust'"):
        RehearsalConfig(kinds={"dust": 1.0})


def test_no_shot_is_one_of_a_simulated_run_of_the_same_seed() -> None:
    mine = set(seeds_of(0, "rehearsal", 3000).tolist())
    for split in ("train", "validation", "test"):
        assert not mine & set(seeds_of(0, split, 26000).tolist())


def test_shots_without_a_single_hit_are_refused() -> None:
    config = RehearsalConfig(shots=8, viruses=1, kinds={"empty": 1.0})
    with pytest.raises(ValueError, match=r"0 single hits and 0 others pass .*selection\.rehearsal\.shots"):
        rehearse(config, GEOMETRY, PLACE, None, SIZES, BINS)
