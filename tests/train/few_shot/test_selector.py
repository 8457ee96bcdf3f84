"""The selector: closed forms, a slow twin, and what brightness and labels add where they can, and not where not."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from train.few_shot import selector
from train.few_shot.counts import fit_counts
from train.few_shot.mixture import by_mixture
from train.few_shot.selector import Brightness, Sample

SHARES = (0.5, 1 / 6, 1 / 6, 1 / 6)


def sample(seed, n, photons, *, jitter, right=1.2, noise=0.0, bias=0.0):
    """Patterns of 1 to 4 particles, and what an imperfect network says of them."""
    generator = np.random.default_rng(seed)
    number = generator.choice([1, 2, 3, 4], n, p=SHARES)
    pulse = np.maximum(generator.normal(1, 0.9, n), 0.1) if jitter else np.ones(n)
    mean = photons * number * pulse * (1 + 0.1 / np.sqrt(number) * generator.normal(size=n))
    read = generator.poisson(np.maximum(mean, 0)) + noise * generator.normal(size=n)
    # Log-odds of two normal clouds: what a network says that knows its own errors.
    score = np.where(number == 1, 1, -1) * right**2 + np.sqrt(2) * right * generator.normal(size=n) + bias
    log_p = np.full((n, 4), -np.log(3))
    log_p[:, 0] = score
    log_p -= logsumexp(log_p, axis=1, keepdims=True)
    return Sample(log_p, read, noise), number == 1


def right(scores, is_single):
    return ((scores > 0) == is_single).mean()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("photons", [200, 2000])
def test_steady_pulses_tell_all_even_where_the_network_is_biased(seed, photons):
    """Neighbours m and 2m lie 0.69 apart in the logarithm; orientations spread them by 0.1: 3.5 deviations."""
    of, is_single = sample(seed, 100, photons, jitter=False, bias=-1.5)
    scores, brightness = selector.together(of)
    assert right(scores, is_single) > 0.97 > right(selector.alone(of.log_p), is_single) + 0.1
    assert brightness.photons == pytest.approx(photons, rel=0.1)


@pytest.mark.parametrize("seed", range(4))
def test_pulses_that_jitter_leave_the_networks_word(seed):
    of, is_single = sample(seed, 100, 500, jitter=True)
    scores, brightness = selector.together(of)
    assert brightness.gain < selector.GAIN
    assert np.array_equal(scores, by_mixture(selector.alone(of.log_p), np.ones(100)))
    told = np.where(np.arange(100) < 20, is_single, -1).astype(np.int8)
    scores, _ = selector.together(of, told)
    assert scores[20:] == pytest.approx(selector.alone(of.log_p)[20:])


@pytest.mark.parametrize("seed", range(4))
def test_known_pulse_energies_make_jitter_harmless(seed):
    steady, is_single = sample(seed, 100, 500, jitter=False)
    pulse = np.random.default_rng(seed).uniform(0.2, 3, 100)
    read = np.random.default_rng(seed).poisson(np.maximum(steady.photons * pulse, 0))
    scores, _ = selector.together(Sample(steady.log_p, read / pulse))
    assert right(scores, is_single) > 0.95


@pytest.mark.parametrize("seed", range(4))
def test_a_network_that_is_sure_and_wrong_is_overruled_by_the_photons(seed):
    """It takes double hits for single ones, and says so with odds of a thousand to one: with its word for what it is
    worth, and pulses alike, brightness tells all; believed as it says, single and double hits would be one cloud."""
    of, is_single = sample(seed, 200, 1000, jitter=False)
    number = np.round(of.photons / 1000)
    scores = np.where(number <= 2, 7.0, -7.0) + np.random.default_rng(seed).normal(size=200)
    wrong = Sample(selector.with_scores(of.log_p, scores), of.photons)
    found, brightness = selector.together(wrong)
    assert right(scores, is_single) < 0.9
    assert right(found, is_single) > 0.98
    assert brightness.photons == pytest.approx(1000, rel=0.1)


def test_how_much_it_is_trusted_is_what_makes_the_photons_likeliest(monkeypatch):
    """By p(photons | what the network says) pattern by pattern, of each trust by itself."""
    of, _ = sample(1, 60, 500, jitter=False, bias=2.0)
    likely = {}
    for trust in selector.TRUSTS:
        monkeypatch.setattr(selector, "TRUSTS", (trust,))
        _, brightness = selector.together(of)
        word = np.exp(trust * of.log_p) * brightness.share
        word /= word.sum(axis=1, keepdims=True)
        each = np.exp(brightness.log_likelihood(of.photons))
        likely[trust] = sum(np.log(w @ p) for w, p in zip(word, each, strict=True)), brightness
    monkeypatch.undo()
    best = max(likely.values(), key=lambda one: one[0])[1]
    assert selector.together(of)[1].photons == best.photons


def test_labels_have_the_last_word():
    of, is_single = sample(0, 60, 300, jitter=False)
    told = np.full(60, -1, np.int8)
    told[:10] = ~is_single[:10]  # all wrong
    scores, _ = selector.together(of, told)
    assert ((scores[:10] > 0) == ~is_single[:10]).all()


def test_brightness_of_a_few_labels_answers_for_others():
    of, is_single = sample(1, 140, 300, jitter=False)
    few = Sample(of.log_p[:40], of.photons[:40])
    _, brightness = selector.together(few, is_single[:40].astype(np.int8))
    rest = Sample(of.log_p[40:], of.photons[40:])
    assert right(selector.by_brightness(brightness, rest), is_single[40:]) > 0.95


def test_likelihood_against_one_normal_distribution_at_a_time():
    """The slow twin: scipy's, of y as the formulas in words have it."""
    found = Brightness(40.0, 0.2, 6.0, np.full(3, 1 / 3), 1.0)
    photons = np.array([-5.0, 0.0, 38.0, 200.0])
    got = found.log_likelihood(photons)
    for row, count in enumerate(photons):
        for n in (1, 2, 3):
            mean, c2 = n * 40.0, 36.0
            deviation = np.sqrt((mean * 0.2) ** 2 + mean + 36.0) / np.sqrt(mean**2 + 4 * c2)
            y, at = (np.arcsinh(value / (2 * 6.0)) for value in (count, mean))
            assert got[row, n - 1] == pytest.approx(norm.logpdf(y, at, deviation), abs=1e-9)


def test_log_odds_alone_and_with_other_scores():
    log_p = np.log([[0.5, 0.3, 0.2], [0.2, 0.4, 0.4]])
    assert selector.alone(log_p) == pytest.approx([0.0, np.log(0.25)])
    changed = selector.with_scores(log_p, np.array([np.log(3), 0.0]))
    assert np.exp(changed) == pytest.approx(np.array([[0.75, 0.15, 0.1], [0.5, 0.25, 0.25]]))


def test_read_noise_of_frames_is_what_was_added():
    """Of 100 x 64 x 64 pixels, of whom half are below zero, the deviation errs by 1/√(2·205000) = 0.2 %."""
    noise = np.random.default_rng(0).normal(0, 0.15, (100, 64, 64))
    noise[:, :, :32] = 0.0  # dead
    noise[:, 0] += 50.0  # photons
    assert selector.read_noise(noise) == pytest.approx(0.15 * np.sqrt(64 * 32 + 32), rel=0.02)
    assert selector.read_noise(np.random.default_rng(0).poisson(1.0, (3, 8, 8))) == 0.0


def test_what_is_no_number_is_refused():
    with pytest.raises(ValueError, match="0 patterns"):
        selector.together(Sample(np.zeros((0, 4)), np.zeros(0)))
    with pytest.raises(ValueError, match="finite"):
        selector.together(Sample(np.full((1, 4), -1.4), np.array([np.nan])))


def test_counts_of_clouds_are_their_posterior():
    """Two normal clouds of unit variance at ±a have log-odds 2 a x."""
    generator = np.random.default_rng(0)
    number = np.repeat([1, 2], 4000)
    x = generator.normal(size=(8000, 1)) + np.where(number == 1, 1.0, -1.0)[:, None]
    log_p = fit_counts(x, number).log_p(np.array([[0.5], [-1.0]]))
    assert log_p[:, 0] - log_p[:, 1] == pytest.approx([1.0, -2.0], abs=0.15)
    assert np.exp(log_p).sum(axis=1) == pytest.approx(1.0)


def test_counts_without_every_number_are_refused():
    with pytest.raises(ValueError, match=r"\[1, 3\] particles"):
        fit_counts(np.zeros((2, 1)), np.array([1, 3]))
