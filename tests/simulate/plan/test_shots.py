"""What a dataset's pulses do: jitters of the stated moments, and intensities by where particles are in the focus."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from frames.rng import normals, uniforms
from simulate.experiment.beam import JITTER_CUT
from simulate.experiment.config import BeamConfig, DatasetConfig, DetectorConfig, FluenceJitterConfig, SelectConfig
from simulate.orientation import random_orientations, rotation_matrices
from simulate.plan.plan import Plan
from simulate.plan.shots import Shots, draw, pulse_factors

N = 20_000
SEEDS = np.random.default_rng(0).integers(0, 2**64, size=N, dtype=np.uint64)


def plan_of(multiplicity: int, positions: np.ndarray | None = None, n: int = N) -> Plan:
    particles = n * multiplicity
    return Plan(
        table=pd.DataFrame({"seed": SEEDS[:n]}),
        start=multiplicity * np.arange(n + 1),
        species=np.zeros(particles, np.int64),
        orientations=np.tile([1.0, 0, 0, 0], (particles, 1)),
        positions=np.zeros((particles, 3)) if positions is None else positions,
    )


def dataset(detector: DetectorConfig | None = None, **beam: object) -> DatasetConfig:
    return DatasetConfig(
        photons_per_pulse=1e12,
        record="expected",
        beam=BeamConfig.model_validate(beam),
        detector=detector or DetectorConfig(),
    )


@pytest.mark.parametrize("model", ["gamma", "lognormal"])
@pytest.mark.parametrize("sigma", [0.1, 0.9])
def test_positive_jitters_have_mean_one_and_the_stated_deviation(model, sigma: float) -> None:
    factors = pulse_factors(SEEDS, FluenceJitterConfig(model=model, sigma=sigma))
    assert factors.min() > 0
    assert factors.mean() == pytest.approx(1, abs=5 * sigma / np.sqrt(N))
    exact = {
        "gamma": stats.gamma(sigma**-2, scale=sigma**2),
        "lognormal": stats.lognorm(np.sqrt(np.log1p(sigma**2)), scale=1 / np.sqrt(1 + sigma**2)),
    }[model]
    assert exact.std() == pytest.approx(sigma)
    assert stats.kstest(factors, exact.cdf).pvalue > 1e-4


def test_the_posters_jitter_is_normal_with_a_floor() -> None:
    factors = pulse_factors(SEEDS, FluenceJitterConfig(model="normal", sigma=0.9, floor=0.1))
    negative = stats.norm.cdf(-1 / 0.9)  # of N(1, 0.9)
    floored = np.mean(factors == 0.1)
    assert floored == pytest.approx(negative, abs=5 * np.sqrt(negative / N))
    bright = factors[factors != 0.1]
    assert stats.kstest(bright, stats.truncnorm(-1 / 0.9, np.inf, loc=1, scale=0.9).cdf).pvalue > 1e-4


@pytest.mark.parametrize("decades", [0.5, 4.0])
def test_every_order_of_magnitude_is_as_likely_and_the_nominal_pulse_the_brightest(decades: float) -> None:
    factors = pulse_factors(SEEDS, FluenceJitterConfig(model="loguniform", decades=decades))
    law = stats.loguniform(10**-decades, 1)
    assert law.mean() == pytest.approx((1 - 10**-decades) / (decades * np.log(10)))  # as the config says
    assert 10**-decades < factors.min() < factors.max() < 1
    assert stats.kstest(factors, law.cdf).pvalue > 1e-4
    assert factors.mean() == pytest.approx(law.mean(), abs=5 * law.std() / np.sqrt(N))


def test_no_jitter_is_the_nominal_pulse() -> None:
    shots = draw(plan_of(2, n=3), dataset())
    assert shots.fluence == pytest.approx(1e12 / (np.pi * 0.25))
    assert np.all(shots.photon_energy_eV == 4600)
    assert np.all(shots.beam_centre == 0)
    assert np.all(shots.pulse_factor == 1)


def test_energy_and_beam_position_are_normal_and_cut() -> None:
    shots = draw(plan_of(1), dataset(energy_jitter=0.01, centre_jitter_um=300))
    cut = stats.truncnorm(-JITTER_CUT, JITTER_CUT)
    assert stats.kstest((shots.photon_energy_eV / 4600 - 1) / 0.01, cut.cdf).pvalue > 1e-4
    assert stats.kstest(shots.beam_centre.ravel() / 0.5, cut.cdf).pvalue > 1e-4  # 300 µm are half a pixel
    assert np.abs(shots.beam_centre).max() <= 0.5 * JITTER_CUT


def test_energies_and_factors_rise_with_the_uniform_numbers_of_their_stream() -> None:
    """Slow twin: the inverse of each distribution function, by scipy."""
    cut = stats.truncnorm(-JITTER_CUT, JITTER_CUT)
    energy = draw(plan_of(1), dataset(energy_jitter=0.01)).photon_energy_eV
    assert energy == pytest.approx(4600 * (1 + 0.01 * cut.ppf(uniforms(SEEDS, "energy", 1)[:, 0])), rel=1e-9)
    normal = 1 + 0.2 * normals(SEEDS, "fluence", 1)[:, 0]
    factors = pulse_factors(SEEDS, FluenceJitterConfig(model="normal", sigma=0.2, floor=0.05))
    assert factors == pytest.approx(np.where(normal > 0, normal, 0.05))


def test_beam_position_is_in_image_pixels() -> None:
    fine = draw(plan_of(1, n=5), dataset(centre_jitter_um=300))
    binned = draw(plan_of(1, n=5), dataset(DetectorConfig(pixel_size_um=75, binning=16), centre_jitter_um=300))
    assert binned.beam_centre == pytest.approx(fine.beam_centre / 2)


def test_a_shifted_beam_jitters_about_its_place() -> None:
    jittered = draw(plan_of(1, n=50), dataset(centre_jitter_um=300))
    shifted = draw(plan_of(1, n=50), dataset(centre_offset_um=[900, -1200]))
    assert np.array_equal(shifted.beam_centre, np.tile([1.5, -2.0], (50, 1)))  # pixels of 600 µm
    both = draw(plan_of(1, n=50), dataset(centre_offset_um=[900, -1200], centre_jitter_um=300))
    assert both.beam_centre == pytest.approx(jittered.beam_centre + shifted.beam_centre, abs=1e-12)


@pytest.mark.parametrize("side", ["outside", "inside"])
def test_particles_are_seen_from_outside_or_inside_the_double_cone(side: str) -> None:
    """The angle between the beam, in each particle's own frame, and its z or -z."""
    whole = plan_of(2, n=500)
    orientations = random_orientations(np.random.default_rng(8), 1000)
    whole = Plan(whole.table, whole.start, whole.species, orientations, whole.positions)
    plain = dataset()
    views = {"views": {"side": side, "cone_deg": 40}}
    shots = draw(whole, plain.model_copy(update={"select": SelectConfig.model_validate(views)}))
    beam = np.einsum("nij,i->nj", rotation_matrices(shots.orientations), [0, 0, 1.0])
    angle = np.degrees(np.arccos(np.abs(beam[:, 2])))
    assert (angle.min() >= 40 and angle.max() > 85) if side == "outside" else (angle.max() <= 40 and angle.min() < 5)
    assert draw(whole, plain).orientations is orientations
    assert np.array_equal(shots.positions, whole.positions)


def test_hits_in_a_gaussian_focus() -> None:
    """Evenly in a disc of the 1/e² radius: J/J₀ = exp(−2u) with u uniform, so −ln(J/J₀)/2 is uniform too."""
    shots = draw(plan_of(1), dataset(focus_profile="gaussian", focus_radius_um=0.5))
    peak = 2e12 / (np.pi * 0.25)
    assert stats.kstest(-np.log(shots.fluence / peak) / 2, "uniform").pvalue > 1e-4


def test_particles_far_apart_have_intensities_of_their_own() -> None:
    """Two particles 1 µm apart along x, the shot on the axis as good as: J falls by exp(−2 (1/0.5)²)."""
    positions = np.tile([[0.0, 0, 0], [1e4, 0, 0]], (3, 1))
    beam = {"focus_profile": "gaussian", "focus_radius_um": 0.5, "injection_radius_um": 1e-9}
    fluence = draw(plan_of(2, positions, n=3), dataset(**beam)).fluence.reshape(3, 2)
    assert fluence[:, 1] / fluence[:, 0] == pytest.approx(np.exp(-8))


def test_a_particle_lies_in_the_focus_where_its_shot_was_injected_and_it_is_placed_there() -> None:
    """A focus of 0.4 µm; the shot falls within 0.5 µm of its axis, the second particle 0.1 µm along x, 0.2 down y."""
    positions = np.tile([[0.0, 0, 0], [1e3, -2e3, 5e3]], (4, 1))
    beam = {"focus_profile": "gaussian", "focus_radius_um": 0.4, "injection_radius_um": 0.5}
    shots = draw(plan_of(2, positions, n=4), dataset(**beam))
    square, turn = uniforms(SEEDS[:4], "focus", 2).T
    x, y = (0.5 * np.sqrt(square) * of(2 * np.pi * turn) for of in (np.cos, np.sin))
    from_axis = np.stack([x**2 + y**2, (x + 0.1) ** 2 + (y - 0.2) ** 2], axis=1)
    assert shots.fluence.reshape(4, 2) == pytest.approx(2e12 / (np.pi * 0.16) * np.exp(-2 * from_axis / 0.16))


def test_a_jittered_pulse_scales_all_its_particles() -> None:
    jitter = {"model": "gamma", "sigma": 0.5}
    shots = draw(plan_of(3, n=4), dataset(fluence_jitter=jitter))
    assert shots.fluence.reshape(4, 3) == pytest.approx(
        np.outer(shots.pulse_factor, np.ones(3)) * 1e12 / (np.pi * 0.25)
    )


def test_what_is_hit_is_the_plans() -> None:
    plan = plan_of(2, n=3)
    shots = draw(plan, dataset())
    assert (shots.start is plan.start, shots.species is plan.species) == (True, True)


def test_shots_alike_by_hand() -> None:
    """Two shots of three particles."""
    orientations, positions = np.arange(24.0).reshape(2, 3, 4), np.arange(18.0).reshape(2, 3, 3)
    shots = Shots.alike(orientations, positions, np.array([5, 7]), 4600.0)
    assert len(shots) == 2
    expected = {
        "start": np.array([0, 3, 6]),
        "species": np.zeros(6, np.int64),
        "orientations": np.arange(24.0).reshape(6, 4),
        "positions": np.arange(18.0).reshape(6, 3),
        "fluence": np.array([5.0, 5, 5, 7, 7, 7]),
        "photon_energy_eV": np.array([4600.0, 4600]),
        "beam_centre": np.zeros((2, 2)),
        "pulse_factor": np.ones(2),
    }
    for name, values in expected.items():
        np.testing.assert_array_equal(getattr(shots, name), values, strict=True, err_msg=name)


@pytest.mark.parametrize(
    "shapes", [((2, 1, 5), (2, 1, 3), (2,)), ((2, 1, 4), (2, 2, 3), (2,)), ((2, 1, 4), (2, 1, 3), (3,))]
)
def test_shapes_that_disagree_are_refused(shapes: tuple[tuple[int, ...], ...]) -> None:
    orientations, positions, fluence = shapes
    message = (
        f"orientations {orientations}, positions {positions} and fluence {fluence} do not agree; "
        "expected (n, m, 4), (n, m, 3) and (n,)"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Shots.alike(np.ones(orientations), np.zeros(positions), np.ones(fluence), 4600.0)
