"""The Bayes-optimal accuracy: likelihoods against sums, accuracies against closed forms, a small run as a whole."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import logsumexp, ndtr
from scipy.stats import norm, poisson

from evaluate.limit import limit
from evaluate.limit.likelihood import INTERPOLATION_ERROR, log_likelihoods, log_mean
from evaluate.limit.likelihood_numba import CUT, FAINT
from evaluate.limit.limit import COLUMNS, accuracy, particle_limits, pulse_prior, single_hits, write_limit
from evaluate.limit.orientation_refinement import DRAWN, ROUNDS
from evaluate.limit.supported import check_supported
from frames.files import read_json, write_json
from frames.store.dataset import Dataset, open_dataset
from simulate.config import SimulationConfig
from simulate.experiment.config import DatasetConfig, FluenceJitterConfig, SelectConfig, ViewsConfig
from simulate.experiment.reach import reach_of, reach_q
from simulate.molecules.atoms import Atoms
from simulate.orientation import random_orientations, seen_between
from simulate.plan.plan import read as read_plan
from simulate.render import images as render
from simulate.render.shards import make_shard
from simulate.stages.dataset import complete_dataset
from simulate.stages.dataset_layout import make_layout
from simulate.stages.geometry import make_geometry
from simulate.stages.plan import make_plan
from simulate.stages.volume import make_volume
from support.datasets import make_dataset

N_PIXELS = 50
FACTORS = np.array([[0.1, 1.0, 3.0], [0.5, 0.7, 2.0]])


def plain(readings: np.ndarray, rates: np.ndarray, read_noise: float, factor: float) -> float:
    """ln p of one pattern under one orientation, term by term."""
    mean = factor * rates.astype(np.float64)
    if read_noise == 0:
        return poisson.logpmf(readings, mean).sum()
    k = np.arange(int(4 * max(mean.max(), readings.max()) + 60))
    terms = poisson.logpmf(k, mean[:, None]) + norm.logpdf(readings[:, None].astype(np.float64), k, read_noise)
    return logsumexp(terms, axis=1).sum()


def some_patterns(mean: float, read_noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Readings (2, p), of fluence factors FACTORS[:, 1], and the rates (5, p) of which two are theirs."""
    rng = np.random.default_rng(1)
    rates = (mean * rng.exponential(size=(5, N_PIXELS))).astype(np.float32)
    photons = rng.poisson(FACTORS[:, 1:2] * rates[:2])
    return (photons + read_noise * rng.standard_normal((2, N_PIXELS))).astype(np.float32), rates


@pytest.mark.parametrize("read_noise", [0.0, 0.05, 0.3, 1.0])
@pytest.mark.parametrize("mean", [0.01, 0.3, 5.0, 60.0])
def test_the_likelihood_is_the_sum_over_photons(mean: float, read_noise: float) -> None:
    """A pixel errs by FAINT⁴/4 where it is faint; where it is not, by two geometric tails that begin at e^-CUT."""
    readings, rates = some_patterns(mean, read_noise)
    found = log_likelihoods(readings, rates, read_noise, FACTORS)
    expected = [
        [[plain(x, r, read_noise, f) for r in rates] for f in own] for x, own in zip(readings, FACTORS, strict=True)
    ]
    pixel_error = FAINT**4 / 4 + 4 * np.exp(-CUT) if read_noise else 0
    assert np.allclose(found, expected, rtol=1e-7, atol=N_PIXELS * pixel_error)


def test_impossible_rates_and_wrong_shapes() -> None:
    readings, rates = some_patterns(0.3, 0.0)
    dark = np.zeros_like(rates)
    assert np.isfinite(log_likelihoods(readings, dark, 0.0, FACTORS)).all()
    with pytest.raises(ValueError, match="do not agree"):
        log_likelihoods(readings, rates[:, :-1], 0.0, FACTORS)


def test_products_that_would_vanish_are_taken_apart() -> None:
    """20,000 pixels of which each is e^-1 of its own greatest likelihood: the product is e^-20,000."""
    rates = np.tile(np.array([[0.2], [2.0]], dtype=np.float32), 20_000)
    readings = np.ones((1, 20_000), dtype=np.float32)
    found = log_likelihoods(readings, rates, 0.3, np.ones((1, 1)))
    assert np.allclose(found, [[[plain(readings[0], r, 0.3, 1.0) for r in rates]]], rtol=1e-6)


@pytest.mark.parametrize("read_noise", [0.0, 0.3])
@pytest.mark.parametrize("model", ["none", "normal", "gamma", "lognormal", "loguniform"])
def test_unknown_fluence_is_a_sum_over_its_grid(model: str, read_noise: float) -> None:
    """The likelihood at every factor of the grid, computed there, against that interpolated from the nodes."""
    readings, rates = some_patterns(0.3, read_noise)
    prior = pulse_prior(FluenceJitterConfig(model=model), float(readings.sum(axis=1).max()))
    found = prior.marginal(log_likelihoods(readings, rates, read_noise, np.tile(prior.nodes, (2, 1))))
    everywhere = log_likelihoods(readings, rates, read_noise, np.tile(prior.factors, (2, 1)))
    expected = logsumexp(everywhere + prior.log_weights[:, None], axis=1)
    assert np.allclose(found, expected, rtol=0, atol=INTERPOLATION_ERROR)
    assert logsumexp(prior.log_weights) == pytest.approx(0, abs=1e-12)


def test_the_grid_is_fine_enough() -> None:
    """Four times as fine, the evidence is the same: a sum over steps of one standard deviation is an integral to 1e-8,
    and to some per cent where the prior cuts the likelihood off."""
    readings, rates = some_patterns(5.0, 0.0)
    evidence = []
    for fineness in (1, 16):
        prior = pulse_prior(FluenceJitterConfig(model="none"), fineness * float(readings.sum(axis=1).max()))
        evidence.append(prior.marginal(log_likelihoods(readings, rates, 0.0, np.tile(prior.nodes, (2, 1)))))
    assert np.allclose(*evidence, rtol=0, atol=0.05)


def test_the_prior_is_the_law_of_the_pulses() -> None:
    """N(1, 0.9) with all that is not positive at 0.1: mass there, and mean."""
    prior = pulse_prior(FluenceJitterConfig(model="normal", sigma=0.9, floor=0.1), photons=1e4)
    weights = np.exp(prior.log_weights)
    floor = ndtr(-1 / 0.9)
    near = np.abs(np.log(prior.factors / 0.1)) < 0.02
    assert weights[near].sum() == pytest.approx(floor + 0.004 * norm.pdf(1, scale=0.9), abs=0.003)
    above = 1 - floor + 0.9 * norm.pdf(1 / 0.9) - (1 - floor)  # E[x; x > 0] = 1·Φ(1/σ) + σ φ(1/σ)
    assert weights @ prior.factors == pytest.approx(1 - floor + above + 0.1 * floor, abs=0.01)


def test_a_steady_pulse_has_a_prior_of_one_factor() -> None:
    prior = pulse_prior(FluenceJitterConfig(model="gamma", sigma=1e-9), photons=100.0)
    assert prior.factors == pytest.approx(np.ones(len(prior.factors)), abs=1e-6)
    values = np.random.default_rng(0).standard_normal((3, 1, 4)).repeat(len(prior.nodes), axis=1)
    assert np.allclose(prior.marginal(values), values[:, 0])


def test_evidence_is_a_mean_over_orientations() -> None:
    values = np.random.default_rng(0).normal(size=(2, 5))
    assert np.allclose(log_mean(values, 3), [np.log(sum(np.exp(v) for v in row[:3]) / 3) for row in values])


def test_bayes_accuracy_of_two_totals() -> None:
    """Rates that differ in brightness alone: the total is all there is, and the best rule is right
    ½ Σ_n max(Poisson(n; a), Poisson(n; b)) of the time."""
    a, b, n = 20.0, 30.0, 4000
    rates = np.repeat(np.array([[a], [b]]) / N_PIXELS, N_PIXELS, axis=1).astype(np.float32)
    truth = np.arange(n) % 2
    readings = np.random.default_rng(2).poisson(rates[truth]).astype(np.float32)
    found = accuracy(log_likelihoods(readings, rates, 0.0, np.ones((n, 1)))[:, 0], truth)
    counts = np.arange(200)
    exact = np.maximum(poisson.pmf(counts, a), poisson.pmf(counts, b)).sum() / 2
    error = np.sqrt(exact * (1 - exact) / n)
    assert found["structure_accuracy"] == pytest.approx(exact, abs=3 * error)
    assert found["standard_error"] == pytest.approx(error, rel=0.1)
    assert found["n_patterns"] == n


def test_bayes_accuracy_of_one_noisy_pixel() -> None:
    """½ ∫ max(p_a, p_b) dx, the two by plain sums."""
    a, b, noise, n = 0.5, 2.0, 0.3, 20_000
    rates = np.array([[a], [b]], dtype=np.float32)
    rng, truth = np.random.default_rng(3), np.arange(n) % 2
    readings = (rng.poisson(rates[truth]) + noise * rng.standard_normal((n, 1))).astype(np.float32)
    found = accuracy(log_likelihoods(readings, rates, noise, np.ones((n, 1)))[:, 0], truth)
    k = np.arange(60)

    def greater(x: float) -> float:
        return max((poisson.pmf(k, mean) * norm.pdf(x, k, noise)).sum() for mean in (a, b)) / 2

    exact = quad(greater, -2, 15, limit=400)[0]
    assert found["structure_accuracy"] == pytest.approx(exact, abs=3 * np.sqrt(exact * (1 - exact) / n))


class Made(NamedTuple):
    config: SimulationConfig
    datasets: dict[str, Dataset]
    inputs: dict[str, render.Inputs]


PULSE = {"photons_per_pulse": 3e17, "record": "photons", "beam": {"fluence_jitter": {"model": "gamma", "sigma": 0.5}}}
CONFIG: dict[str, Any] = {
    "structures": [{"id": i, "source": "phantom", "phantom": "globule"} for i in ("one", "two")],
    "detector": {"n_pixels": 32, "pixel_size_um": 2400},
    "plan": {
        "patterns_per_class": 40,
        "hit_multiplicities": [1, 2],
        "split": {"train": 0.2, "validation": 0.2, "test": 0.6},
    },
    "datasets": {
        "bright": PULSE,
        "dim": {
            **PULSE,
            "photons_per_pulse": 1.5e16,
            "background": {"flat_photons": 0.02},
            "detector": {"beamstop_radius_pixels": 2.0},
            "readout": {"read_noise_photons": 0.3},
        },
    },
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two lumps of 60 carbon atoms, the same number in the same volume, up to their datasets."""
    folder = tmp_path_factory.mktemp("limit")
    config = SimulationConfig.model_validate(CONFIG)
    atoms_files, records = {}, {}
    for seed, structure in enumerate(("one", "two")):
        rng = np.random.default_rng(seed)
        positions = rng.uniform(-20, 20, size=(60, 3))
        atoms = Atoms(np.full(60, "C"), positions - positions.mean(axis=0), np.ones(60))
        atoms_files[structure], records[structure] = folder / f"{structure}.npz", folder / f"{structure}.json"
        atoms.save(atoms_files[structure])
        write_json(records[structure], {"radius_nm": atoms.radius / 10})
    make_plan(config, "ballistic", atoms_files, folder / "plan.parquet")
    reach = reach_of(config.datasets["bright"])
    volumes = {structure: folder / f"{structure}-field.npz" for structure in atoms_files}
    for structure, file in volumes.items():
        make_volume(atoms_files[structure], reach_q(reach), config.volume, file, file.with_suffix(".json"))
    datasets, inputs = {}, {}
    for name in config.datasets:
        geometry = folder / name / "geometry.npz"
        make_geometry(config.datasets[name], geometry, geometry.with_suffix(".json"))
        inputs[name] = render.Inputs(folder / "plan.parquet", geometry, volumes, atoms_files)
        make_layout(config, inputs[name].plan, geometry, records, folder / name)
        make_shard(folder / name, 0, inputs[name], config, made_from="test")
        complete_dataset(config, folder / name, geometry.with_suffix(".json"))
        datasets[name] = open_dataset(folder / name)
    return Made(config, datasets, inputs)


def limits_of(made: Made, name: str, **settings: Any) -> pd.DataFrame:
    settings = {"patterns_per_structure": 8, "orientations": (100, 200), "seed": 0, **settings}
    return particle_limits(made.datasets[name], made.config, made.inputs[name], **settings)


def test_a_small_run_is_as_plain_loops_have_it(made: Made) -> None:
    """Known fluence, six patterns, seven orientations, by the definition: rates with the particle's own volume,
    background and beam stop, in float64."""
    dataset, chosen = made.datasets["dim"], made.config.datasets["dim"]
    rows = single_hits(dataset, 3)
    quaternions = random_orientations(np.random.default_rng(5), 7)
    live = dataset.live.ravel() > 0
    right = 0
    for row in rows:
        reading = dataset.read(slice(row, row + 1))[0].ravel()[live]
        evidence = []
        for species in range(2):
            rates = limit.expected(quaternions, species, chosen, made.inputs["dim"])[:, live]
            each = [plain(reading, r, 0.3, float(dataset.pulse_factor[row])) for r in rates]
            evidence.append(logsumexp(each) - np.log(len(each)))
        right += int(np.argmax(evidence)) == dataset.structure[row]
    found = limits_of(made, "dim", patterns_per_structure=3, orientations=(7,), seed=5)
    found = found[(found["fluence"] == "known") & (found["orientations"] == 7)]
    assert found["structure_accuracy"].item() == pytest.approx(right / 6)


def test_expected_photons_are_those_of_the_dataset(made: Made) -> None:
    """The orientation of a pattern gives its own mean: Σ (n - λ)²/λ of Poisson counts has variance Σ (2 + 1/λ)."""
    dataset, inputs = made.datasets["bright"], made.inputs["bright"]
    rows = single_hits(dataset, 24)
    plan = read_plan(inputs.plan)
    for row in rows[::7]:
        mean = limit.expected(
            plan.orientations[plan.start[row]][None], dataset.structure[row], made.config.datasets["bright"], inputs
        )[0]
        mean = mean * dataset.pulse_factor[row]
        counts = dataset.read(slice(row, row + 1)).ravel()
        chi2, variance = ((counts - mean) ** 2 / mean).sum(), (2 + 1 / mean).sum()
        assert abs(chi2 - counts.size) < 5 * np.sqrt(variance)
        assert mean.sum() > 100


def test_views_are_those_of_the_dataset(made: Made) -> None:
    chosen, inputs = made.config.datasets["bright"], made.inputs["bright"]
    some = chosen.model_copy(update={"select": SelectConfig(views=ViewsConfig(side="inside", cone_deg=30))})
    quaternions = random_orientations(np.random.default_rng(0), 3)
    turned = seen_between(quaternions, np.cos(np.pi / 6), 1.0)
    assert np.allclose(limit.expected(quaternions, 0, some, inputs), limit.expected(turned, 0, chosen, inputs))


def test_knowing_the_fluence_helps_and_photons_do(made: Made) -> None:
    bright, dim = (limits_of(made, name) for name in ("bright", "dim"))
    at_most = bright[bright["orientations"] == 200 + ROUNDS * DRAWN].set_index("fluence")["structure_accuracy"]
    assert at_most["known"] >= 0.9
    noise = dim["standard_error"].max()
    accuracies = dim.pivot(index="orientations", columns="fluence", values="structure_accuracy")
    assert (accuracies["known"] >= accuracies["unknown"] - noise).all()
    assert dim["structure_accuracy"].max() < at_most["known"]
    assert (dim["n_patterns"] == 16).all()


def test_orientations_are_nested(made: Made) -> None:
    """The row of 100 is the same, whether 200 are asked for too or not."""
    alone, more = (limits_of(made, "dim", orientations=n, patterns_per_structure=2) for n in ((100,), (100, 200)))
    first, second = (table[table["orientations"] == 100].reset_index(drop=True) for table in (alone, more))
    assert first.equals(second)


BEYOND = {
    "readout.gain_spread": {"readout": {"gain_spread": 0.1}},
    "readout.adu_per_photon": {"readout": {"adu_per_photon": 10}},
    "readout.hot_fraction": {"readout": {"hot_fraction": 0.1}},
    "readout.dead_fraction": {"readout": {"dead_fraction": 0.1}},
    "readout.saturation_photons": {"readout": {"saturation_photons": 3}},
    "beam.energy_jitter": {"beam": {"energy_jitter": 0.01}},
    "beam.centre_jitter_um": {"beam": {"centre_jitter_um": 10}},
    "beam.focus_profile": {"beam": {"focus_profile": "gaussian"}},
    "record": {"record": "expected"},
    "engine": {"engine": "skopi"},
}


@pytest.mark.parametrize("entry", BEYOND)
def test_what_has_no_exact_likelihood_here_is_refused(entry: str) -> None:
    config = DatasetConfig.model_validate({"photons_per_pulse": 1e12, "record": "photons", **BEYOND[entry]})
    with pytest.raises(ValueError, match=rf"dataset strange.*{entry} = "):
        check_supported(config, "strange")


def test_single_hits_are_the_first_of_the_test_split(tmp_path: Path) -> None:
    structure, multiplicity = ["a", "b"] * 10, [1, 1, 2, 2] * 5
    images = np.zeros((20, 8, 8), dtype=np.uint16)
    dataset = open_dataset(make_dataset(tmp_path / "d", images, structure, multiplicity, ["train"] * 8 + ["test"] * 12))
    assert single_hits(dataset, 2).tolist() == [8, 12, 9, 13]
    with pytest.raises(ValueError, match=r"3 single hits of a in its test split.*asks for 4"):
        single_hits(dataset, 4)


def test_the_table_says_what_its_columns_are(made: Made, tmp_path: Path) -> None:
    table = limits_of(made, "dim", orientations=(5,), patterns_per_structure=2)
    write_limit(table.assign(run="toy", dataset="dim", seed=0), tmp_path / "limit.csv", {"source_digest": "ab"})
    assert list(pd.read_csv(tmp_path / "limit.csv").columns) == list(COLUMNS)
    assert read_json(tmp_path / "limit.json") == {"table": "limit.csv", "columns": COLUMNS, "source_digest": "ab"}
