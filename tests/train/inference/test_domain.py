"""What a network was trained on: its own test patterns are inside, what is something else is not, and far is far."""

import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from frames.frames import Instrument
from frames.store.dataset import open_dataset
from simulate.experiment.geometry import square_detector
from support.datasets import make_dataset
from support.made.speckle import counted, expected, read
from train.config.recipe import Recipe
from train.inference.domain import Domain, Range, Setup, domain_of, summarised
from train.inference.features import FEATURES, measure

KINDS = {"expected": expected, "counted": counted, "read": read}
PHOTONS = Recipe(input_transform="photons")
STANDARDISED = Recipe(input_transform="standardise")
REAL = Path(os.environ.get("SINGLEHIT_SHARED", Path(__file__).parents[4] / "shared")) / "real-frames" / "pr772"


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def domains(kind):
    """Of a network that sees the scale, and of one that does not."""
    train, validation = measure(KINDS[kind](400, seed=1)), measure(KINDS[kind](200, seed=2))
    recipes = (PHOTONS, STANDARDISED)
    return {recipe.input_transform: summarised(train, validation, recipe, Setup()) for recipe in recipes}


@pytest.fixture(scope="module")
def tested(kind):
    return KINDS[kind](200, seed=3).astype(np.float32)


def judged(domain, frames):
    """Shares of the frames that are inside, and that are far outside."""
    compared = domain.compared(measure(frames))
    return domain.inside(compared).mean(), 1 - domain.near(compared).mean()


def test_what_it_was_trained_on_is_inside(domains, tested):
    for domain in domains.values():
        assert domain.validation_inside >= 0.98
        inside, far = judged(domain, tested)
        assert inside >= 0.98
        assert far == 0


def without(frames, *part):
    changed = frames.copy()
    changed[(slice(None), *part)] = 0
    return changed


def binned(frames):
    """Two by two pixels summed, in the middle of an image as large."""
    return np.pad(frames.reshape(len(frames), 64, 2, 64, 2).sum((2, 4)), ((0, 0), (32, 32), (32, 32)))


ALWAYS_FAR = {
    "zeros": np.zeros_like,
    "of one value": lambda frames: np.full_like(frames, 3),
    "negative": lambda frames: -np.abs(frames) - 1,
    "upside down": lambda frames: -frames,
    "half of the detector missing": lambda frames: without(frames, slice(None), slice(64)),
    "a quarter missing": lambda frames: without(frames, slice(64), slice(64)),
    "flat light": lambda frames: np.random.default_rng(0).poisson(2.0, frames.shape),
}
"""Whatever the network's input"""

FAR_BY_SCALE = {"ADUs": lambda frames: 130 * frames, "a hundred times the fluence": lambda frames: 100 * frames}


@pytest.mark.parametrize("what", ALWAYS_FAR)
def test_something_else_is_far_outside(domains, tested, what):
    for domain in domains.values():
        inside, far = judged(domain, ALWAYS_FAR[what](tested))
        assert inside == 0
        assert far > 0.9


def test_other_binning_is_outside(domains, tested, kind):
    """Of counts it is not far, which is warned of, not refused: each pattern could be that of a larger particle."""
    for domain in domains.values():
        inside, far = judged(domain, binned(tested))
        assert inside == 0
        assert far > 0.9 or kind == "counted"


@pytest.mark.parametrize("what", FAR_BY_SCALE)
def test_a_scale_is_seen_where_the_network_sees_it(domains, tested, what):
    frames = FAR_BY_SCALE[what](tested)
    inside, far = judged(domains["photons"], frames)
    assert inside == 0
    assert far > 0.9
    assert judged(domains["standardise"], frames)[0] >= 0.98


@pytest.mark.parametrize("kind", ["counted", "read"], indirect=True)
def test_a_hundredth_of_the_fluence_is_outside(domains, kind):
    """With its own noise. Only a network that is trained on fluences as low knows them."""
    assert judged(domains["photons"], KINDS[kind](50, 4, photons=(30, 300)))[0] == 0


@pytest.mark.parametrize("kind", ["expected"], indirect=True)
def test_noise_is_seen_by_who_never_saw_any_and_its_absence_by_who_always_did(domains):
    noisy = {name: KINDS[name](50, seed=5) for name in ("counted", "read")}
    for domain in domains.values():
        for frames in noisy.values():
            assert judged(domain, frames) == (0, 1)
    taught_by_noise = summarised(measure(read(400, 1)), measure(read(200, 2)), STANDARDISED, Setup())
    assert judged(taught_by_noise, expected(50, seed=5)) == (0, 1)


def test_a_beam_that_is_elsewhere_is_seen(domains, tested):
    """The further the worse; what these speckles' own asymmetry hides is a pixel or two."""
    for domain in domains.values():
        shares = [judged(domain, np.roll(tested, pixels, axis=2)) for pixels in (0, 5, 12)]
        assert shares[0][0] > 0.98
        assert shares[1][0] < 0.02
        assert shares[2] == (0, 1)


def test_what_cannot_be_seen(domains, tested):
    """x and y exchanged: pixels, rings and noise are what they were."""
    for domain in domains.values():
        assert judged(domain, tested.transpose(0, 2, 1))[0] >= 0.98


@pytest.mark.parametrize("kind", ["read"], indirect=True)
def test_where_fluence_jitters_more_fluences_are_known(domains, kind):
    dim = read(200, 6, photons=(30, 300))
    assert judged(domains["photons"], dim)[0] == 0
    jittered = summarised(
        *(measure(read(n, seed, photons=(10, 3e4))) for n, seed in ((400, 1), (200, 2))), PHOTONS, Setup()
    )
    assert judged(jittered, dim)[0] >= 0.98


@pytest.mark.skipif(not REAL.exists(), reason=f"no real frames in {REAL}; SINGLEHIT_SHARED names the folder")
def test_real_frames_of_another_detector_are_far_outside(domains):
    adu = np.where(np.load(REAL / "mask.npy") > 0, 0, np.load(REAL / "frames-0-4-adu.npy"))  # (5, 260, 257)
    binned = adu[:, 2:258, :256].reshape(5, 128, 2, 128, 2).sum((2, 4))
    for domain in domains.values():
        for frames in (adu[:, 66:194, 64:192], binned, binned / 8.1):
            inside, far = judged(domain, frames)
            assert inside == 0
            assert far >= 0.8


def test_features_by_a_loop_over_pixels():
    generator = np.random.default_rng(0)
    frames = np.concatenate([generator.poisson(1.0, (2, 7, 10)), generator.normal(0, 2, (2, 7, 10))]).astype(np.float32)
    measured = measure(frames)
    for n, frame in enumerate(frames.astype(float)):
        photons, x, y, rings, checkers = 0.0, 0.0, 0.0, np.zeros(9), []
        quadrants = dict.fromkeys([(a, b) for a in (False, True) for b in (False, True)], 0.0)
        for row in range(7):
            for column in range(10):
                value = max(frame[row, column], 0)
                across, down = column - 4.5, row - 3
                photons, x, y = photons + value, x + value * across, y + value * down
                quadrants[down < 0, across < 0] += value
                rings[min(int(8 * np.hypot(across, down) / 3.5), 8)] += value
        for row in (0, 2, 4):
            for column in range(0, 10, 2):
                a, b, c, d = frame[row : row + 2, column : column + 2].ravel()
                checkers.append((a - b - c + d) ** 2 / 4)
        expected = {
            "photons": frame.sum(),
            "lowest": frame.min(),
            "highest": frame.max(),
            "depth": frame.min() / frame.max(),
            "negative": (frame < 0).sum() / 70,
            "zero": (frame == 0).sum() / 70,
            "whole": (frame == np.round(frame)).sum() / 70,
            "noise": np.mean(checkers) / (photons / 70),
            "grain": np.mean(checkers) / frame.var(),
            "x": x / photons,
            "y": y / photons,
            "quadrant": min(quadrants.values()) / photons,
        }
        assert set(expected) == set(measured.features) == set(FEATURES) - {"together"}
        for name, value in expected.items():
            assert measured.features[name][n] == pytest.approx(value, rel=1e-5, abs=1e-6), name
        logs = np.log([expected["grain"], max(expected["photons"], 1), expected["highest"]])
        np.testing.assert_allclose(measured.together[n], [*np.sqrt(rings / photons), *logs], rtol=1e-5)


def test_the_middle_is_found_where_quadrants_are_missing():
    """What is left is mirrored: where opposite quadrants are both there, a shift still shows; halves show none."""
    frames = expected(30, 1)
    for part in ((slice(64), slice(64)), (slice(None), slice(64)), (slice(64),), (slice(64), slice(64, None))):
        for pixels in (0, 6):
            shifted = np.roll(frames, pixels, axis=2)
            whole, left = measure(shifted).features, measure(without(shifted, *part)).features
            assert np.abs(left["x"]).max() <= np.abs(whole["x"]).max() + 0.5
            if part in ((slice(64), slice(64)), (slice(64), slice(64, None))) and pixels:
                assert left["x"].min() > 1


def test_noise_tells_photons_from_adus():
    """Of counts its variance is their number, whatever they are; of ADUs their gain times that."""
    for photons in ((3e2, 1e3), (3e4, 1e5)):
        counts = counted(50, 0, photons).astype(np.float32)
        assert np.median(measure(counts).features["noise"]) == pytest.approx(1, abs=0.15)
        assert np.median(measure(130 * counts).features["noise"]) == pytest.approx(130, rel=0.15)


def test_frames_too_bright_for_float32_are_inside_of_nothing(domains, tested):
    with np.errstate(all="raise"):
        frames = np.concatenate([tested[:1], np.full((1, 128, 128), 3e38, np.float32)])
        frames[1, 0, 0] = -3e38
    assert domains["photons"].inside(domains["photons"].compared(measure(frames))).tolist() == [True, False]


def test_ranges_are_wider_than_the_training_by_a_quarter_and_twice():
    train = measure(expected(300, 1))
    domain = summarised(train, measure(expected(300, 2)), PHOTONS, Setup())
    low, typical, high = np.quantile(train.features["photons"], (0.001, 0.5, 0.999))
    photons = domain.ranges["photons"]
    assert photons.high == pytest.approx(high * (high / typical) ** 0.25)
    assert photons.far_high == pytest.approx(high * (high / typical) ** 2)
    assert photons.low == pytest.approx(low * (low / typical) ** 0.25)
    low, typical, high = np.quantile(train.features["x"], (0.001, 0.5, 0.999))
    x = domain.ranges["x"]
    assert x.high == pytest.approx(high + 0.25 * max(high - typical, 2))
    assert x.far_low == pytest.approx(low - 2 * max(typical - low, 2))
    together = domain.ranges["together"]
    assert together.far_high == pytest.approx(2 * together.high)
    assert x.inside(np.array([0.0, np.nan, np.inf, 100.0])).tolist() == [True, False, False, False]


def test_missing_parts_are_known_to_who_learned_with_them(tmp_path):
    images = expected(240, 1)
    dataset = open_dataset(make_dataset(tmp_path / "a", images, ["a"] * 240, np.arange(240) % 2 + 1))
    half = without(expected(50, 7), slice(None), slice(64))
    for missing, share in ((0.0, 0), (0.5, 1)):
        recipe = Recipe(input_transform="photons", detector_dropout=missing)
        domain = domain_of(dataset, recipe)
        assert judged(domain, half)[0] == pytest.approx(share, abs=0.05)
        assert judged(domain, expected(50, 8))[0] > 0.95
        assert judged(domain, np.roll(expected(50, 8), 6, axis=2))[0] == 0
        assert (domain.missing, domain.n_train, domain.n_validation) == (missing, 168, 24)
        assert domain == domain_of(dataset, recipe)  # the same parts every time


def test_it_is_of_the_structures_learned_from_as_the_detector_reads_them(tmp_path):
    """And of the splits that a network is trained and validated on: what the test split shows has no say."""
    images = np.concatenate([counted(160, 1), 40 * counted(40, 2)]).astype(np.uint16)
    structure = np.where(np.arange(200) % 2, "bright", "dim")
    images[structure == "bright"] *= 5
    folder = make_dataset(tmp_path / "b", images, structure, np.arange(200) // 2 % 2 + 1, read_noise_photons=0.3)
    dataset = open_dataset(folder)
    both = domain_of(dataset, PHOTONS)
    dim = domain_of(dataset, PHOTONS, [dataset.structures.index("dim")])
    assert (both.n_train, dim.n_train) == (140, 70)
    frames = dataset.read(slice(0, 140))[structure[:140] == "dim"]
    assert dim.ranges["photons"].typical == pytest.approx(np.median(frames.sum((1, 2))), rel=1e-5)
    assert dim.ranges["negative"].typical == pytest.approx(np.median((frames < 0).mean((1, 2))))
    assert both.ranges["photons"].typical > dim.ranges["photons"].typical
    assert both.setup == Setup()


def test_it_is_saved_as_plain_numbers_and_comes_back(domains):
    domain = domains["photons"]
    saved = asdict(domain)
    assert Domain.of_saved(saved) == domain
    with pytest.raises(KeyError):
        Domain.of_saved(saved | {"ranges": saved["ranges"] | {"colour": asdict(Range(0, 0, 0, 0, 0))}})
    with pytest.raises(KeyError):
        Domain.of_saved(saved | {"mean": (1.0, 2.0)})


def test_the_step_of_q_is_the_geometrys(tmp_path):
    geometry = square_detector(photon_energy_eV=4600, n_pixels=32, pixel_size_um=600, distance_mm=323)
    mask = np.zeros((32, 32), bool)
    mask[:8] = True
    instrument = Instrument(mask, 4600, 600, 323, geometry.q)
    setup = Setup.of(instrument)
    assert setup.q_step == pytest.approx(geometry.q_step, rel=1e-3)
    assert setup.masked == 0.25
    by_q = Setup.of(Instrument(q=geometry.q))
    assert by_q.q_step == pytest.approx(geometry.q_step, rel=1e-3)
    assert by_q.photon_energy_eV is None
    assert Setup.of(None) == Setup.of(Instrument()) == Setup()

    images = counted(20, 1)
    folder = make_dataset(tmp_path / "c", images, ["a"] * 20, [1, 2] * 10)
    geometry.save(folder / "geometry.npz")
    known = domain_of(open_dataset(folder), PHOTONS).setup
    assert (known.photon_energy_eV, known.distance_mm, known.pixel_size_um) == (4600, 323, 600)
