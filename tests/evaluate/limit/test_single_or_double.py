"""Bounds of the best rule for single against double hits: closed forms, and that they hold and come together."""

import numpy as np
import pytest
from scipy.stats import poisson

from evaluate.limit import single_or_double
from evaluate.limit.likelihood import log_likelihoods
from evaluate.limit.single_or_double import Ways, bounds
from evaluate.single_hit.trial import inputs_of
from simulate.config import SimulationConfig

N_PIXELS = 12


def known_ways(single: np.ndarray, double: np.ndarray, truth: np.ndarray, way: np.ndarray, n: int, seed: int = 0):
    """`_right` of Poisson patterns whose own way is one of a few, each as likely: then the best rule is known.

    single, double (k, pixels) rates; truth (patterns,) 0 or 1; way (patterns,) of these; n ways drawn of either kind.
    """
    generator = np.random.default_rng(seed)
    rates = np.stack([single, double])
    readings = generator.poisson(rates[truth, way]).astype(np.float32)
    ones = np.ones((len(readings), 1))

    def log_p(kind: np.ndarray, of: np.ndarray) -> np.ndarray:
        return log_likelihoods(of, kind.astype(np.float32), 0.0, ones[: len(of)])[:, 0]

    drawn = [log_p(kind, readings)[:, generator.integers(len(kind), size=n)] for kind in rates]
    own = np.array([log_p(rates[t, w : w + 1], r[None])[0, 0] for t, w, r in zip(truth, way, readings, strict=True)])
    found = single_or_double._right(*drawn, own, truth == 0, n)
    best = [np.exp(log_p(kind, readings)).mean(axis=1) for kind in rates]
    right = np.where(truth == 0, best[0] > best[1], best[1] > best[0])
    return found, right.mean()


def some_ways(seed: int, k: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Rates of k ways of either kind, of 1.5 photons each: they differ in shape alone."""
    generator = np.random.default_rng(seed)
    rates = generator.exponential(size=(2, k, N_PIXELS))
    return tuple(1.5 * rates / rates.sum(axis=2, keepdims=True))


def test_the_best_rule_lies_between_and_both_bounds_come_to_it() -> None:
    """Six ways of either kind: the exact evidences are means over the six. Within three standard errors."""
    single, double = some_ways(0)
    generator = np.random.default_rng(1)
    n = 1_500
    truth, way = generator.integers(2, size=n), generator.integers(6, size=n)
    few, best = known_ways(single, double, truth, way, n=3)
    many, again = known_ways(single, double, truth, way, n=2_000)
    assert best == again
    error = 0.5 / np.sqrt(n)
    for found in (few, many):
        assert found["at_least"] < best + 3 * error
        assert found["at_most"] > best - 3 * error
        assert found["at_least_error"] == pytest.approx(
            np.sqrt(found["at_least"] * (1 - found["at_least"]) / n), rel=1e-9
        )
    assert few["at_most"] - few["at_least"] > 6 * error
    assert abs(many["at_most"] - many["at_least"]) < 2 * error


def test_of_one_way_each_it_is_the_closed_form() -> None:
    """Rates that differ in brightness alone: right ½ Σ_n max(Poisson(n; a), Poisson(n; b)) of the time, ties halved."""
    a, b, n = 4.0, 8.0, 20_000
    rates = [np.full((1, N_PIXELS), total / N_PIXELS) for total in (a, b)]
    truth = np.arange(n) % 2
    found, _ = known_ways(*rates, truth, np.zeros(n, int), n=1)
    k = np.arange(100)
    exact = np.maximum(poisson.pmf(k, a), poisson.pmf(k, b)).sum() / 2
    error = np.sqrt(exact * (1 - exact) / n)
    assert found["at_least"] == pytest.approx(exact, abs=3 * error)
    assert found["at_most"] == found["at_least"]


def test_with_a_single_way_each_its_own_tells_all() -> None:
    """Of ways without end and one that is known, its own is told from any other where patterns are bright."""
    generator = np.random.default_rng(0)
    own, other = (np.log(generator.random((200, 1))) - offset for offset in (0.0, 50.0))
    found = single_or_double._right(other, other, own[:, 0], generator.random(200) < 0.5, 1)
    assert found["at_most"] == 1.0


CONFIG = {
    "structures": [{"id": "globule", "source": "phantom", "phantom": "globule"}],
    "detector": {"n_pixels": 32, "pixel_size_um": 2400},
    "datasets": {
        "dim": {
            "photons_per_pulse": 4e11,
            "record": "photons",
            "beam": {"fluence_jitter": {"model": "none"}},
            "readout": {"read_noise_photons": 0.15},
        },
        "varying": {"photons_per_pulse": 4e11, "record": "photons", "beam": {"fluence_jitter": {"model": "gamma"}}},
    },
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    config = SimulationConfig.model_validate(CONFIG)
    return config, inputs_of(config, "dim", tmp_path_factory.mktemp("ways"))


def test_a_small_run_as_a_whole(made) -> None:
    """Of a round lump two touching ones are not told without an error at some ten photons, and better by brightness."""
    config, inputs = made
    ways = Ways.of(config, "dim", "globule", inputs)
    asked = ways.patterns(30, seed=1)
    assert asked.is_single.sum() == 30
    assert asked.rates[~asked.is_single].sum(1).mean() == pytest.approx(
        2 * asked.rates[asked.is_single].sum(1).mean(), rel=0.1
    )
    rows = {(row["fluence"], row["ways"]): row for row in bounds(ways, asked, (20, 200), seed=2)}
    assert set(rows) == {(f, n) for f in single_or_double.FLUENCES for n in (20, 200)}
    for fluence in single_or_double.FLUENCES:
        few, many = rows[fluence, 20], rows[fluence, 200]
        assert many["at_least"] <= many["at_most"]
        assert many["at_most"] - many["at_least"] <= few["at_most"] - few["at_least"]
        assert many["at_least"] > 0.5
    assert rows["known", 200]["at_least"] > rows["unknown", 200]["at_least"] - 0.1


def test_the_rates_are_those_that_the_photons_were_drawn_from(made) -> None:
    """Σ (n - λ)²/λ of Poisson counts and read noise of 0.15 has mean Σ (1 + 0.15²/λ)."""
    config, inputs = made
    asked = Ways.of(config, "dim", "globule", inputs).patterns(40, seed=3)
    readings = asked.readings.reshape(len(asked.readings), -1)
    assert ((readings - asked.rates) ** 2).mean() == pytest.approx(asked.rates.mean() + 0.15**2, rel=0.1)


def test_pulses_that_vary_are_refused(made) -> None:
    config, inputs = made
    with pytest.raises(ValueError, match="dataset varying: pulses vary"):
        Ways.of(config, "varying", "globule", inputs)
