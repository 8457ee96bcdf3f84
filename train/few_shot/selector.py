"""One selector that takes what is there: from what a network says of each pattern alone to p(single) in its sample.

A network gives log-probabilities of 1, 2, ... particles, of each pattern alone. What more there may be:

- **other patterns of the sample.** n particles scatter about n times the photons of one. So photons of a sample lie at
  m, 2m, 3m, ..., spread by orientations and pulses, and where they do, brightness says what no shape can. Neither m nor
  the spread is known beforehand: they are what makes the sample likeliest (expectation maximisation). So is how much
  the network's word is worth: of a shape that it knows nothing like, photons contradict it, and have the last word.
- **the pulse energies**, by which photons are divided beforehand: what is left spreads less.
- **labels.** They correct the network (`train.few_shot.logistic.adapt`) and they tell m.

Nothing is switched by hand. Where pulses vary so much that photons are no likelier to lie at m, 2m, ... than anywhere
else, two clouds in the network's word are what is left (train/few_shot/mixture.py), or, with labels, the corrected
network's word alone. Which is right when was learned from made-up molecules that the network had not seen
(docs/systems/twins.md).

Of n particles, photons N have, with m of one, relative spread s of pulses and orientations, and read noise of r photons
over the whole image,

    variance = (n m s)² + n m + r²

so y = asinh(N / 2c), c² = max(r², 1) having slope 1/√(N² + 4c²), has nearly a normal distribution about asinh(n m / 2c)
with that variance times the slope squared: the logarithm of bright patterns, and of dark ones, of which it would make
nothing, a multiple of the photons.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from train.few_shot.mixture import by_mixture

Array = NDArray[np.floating]

SPREADS = 0.03, 3.0
"""Of relative spreads s: the least, of round particles in steady pulses, and one at which brightness says nothing."""

GUESSES = np.geomspace(0.2, 5.0, 33), (0.08, 0.2, 0.5)
"""Photons of one particle, times what the network makes of them, and spreads, of which the likeliest are begun with."""

STARTS = 3
"""Of these."""

STEPS = 200
"""Of expectation maximisation, at most."""

TRUSTS = 1.0, 0.5, 0.25, 0.1
"""Of the network: its log-probabilities times these, of which those are taken by which the sample's photons are
likeliest. Of shapes unlike all that it learned from it may be wrong about every second pattern and sure of it, and then
the photons lie otherwise than it expects."""

GAIN = 0.15
"""Of log-likelihood that brightness has to bring, per pattern, over photons that do not depend on the number of
particles [nats]; else it is left out. Pulses that jitter as the poster's bring 0.02 to 0.06, steady ones 0.15 to
1.3."""


class Brightness(NamedTuple):
    """How photons of a sample depend on the number of particles."""

    photons: float
    """m, of a single hit on the mean"""
    spread: float
    """s, relative"""
    noise: float
    """r, read noise of a whole image [photons]"""
    share: Array
    """(k,) of the sample's patterns that have 1, 2, ... particles"""
    gain: float
    """of log-likelihood, per pattern, over photons that depend on nothing [nats]"""

    def log_likelihood(self, photons: Array) -> Array:
        """(n, k) natural logarithm of the density, in y, of photons (n,) under 1, 2, ... particles."""
        return _log_likelihood(photons, np.log(self.photons), np.log(self.spread), self.noise, len(self.share))


@dataclass(frozen=True)
class Sample:
    """Patterns of one sample, as a network sees them."""

    log_p: Array
    """(n, k) log-probability of 1, 2, ... particles, of each pattern alone"""
    photons: Array
    """(n,) that the detector read; divided by the energy of the pulse, in units of the mean, where that is known"""
    noise: float = 0.0
    """standard deviation of the read noise, summed over an image [photons]"""


def read_noise(frames: NDArray) -> float:
    """Read noise of a whole image [photons], of frames (n, ny, nx): 0 of counts.

    Noise is even, and nothing but noise is below zero: of pixels below zero the mean square is that of the noise where
    there is no photon. Dead pixels read 0 and do not count.
    """
    below = frames[frames < 0]
    live = float(np.count_nonzero(np.any(frames != 0, axis=0)))
    return 0.0 if not len(below) else float(np.sqrt(np.square(below, dtype=np.float64).mean() * live))


def alone(log_p: Array) -> Array:
    """(n,) log-odds of a single hit, of each pattern alone, single and multiple hits being as frequent."""
    return log_p[:, 0] - logsumexp(log_p[:, 1:], axis=1)


def with_scores(log_p: Array, scores: Array) -> Array:
    """(n, k) log-probabilities with these log-odds (n,) of a single hit; multiple ones keep their order."""
    multiple = log_p[:, 1:] - logsumexp(log_p[:, 1:], axis=1, keepdims=True)
    single = -np.logaddexp(0, -scores)
    return np.concatenate([single[:, None], multiple - np.logaddexp(0, scores)[:, None]], axis=1)


def together(sample: Sample, is_single: NDArray[np.int8] | None = None) -> tuple[Array, Brightness]:
    """(n,) log-odds of a single hit of all patterns of a sample, by shape and brightness, and what was found of it.

    Parameters
    ----------
    is_single : (n,) 1 or 0 of patterns that are labelled, -1 of others; None: none is.

    Raises
    ------
    ValueError where there is no pattern, or numbers are not finite.
    """
    log_p, photons = np.asarray(sample.log_p, float), np.asarray(sample.photons, float)
    if not len(log_p) or not (np.isfinite(photons).all() and np.isfinite(log_p).all()):
        raise ValueError(f"{len(log_p)} patterns with finite photons and log-probabilities are needed, at least one")
    known = _of_labels(is_single, log_p.shape)
    words = [trust * log_p for trust in TRUSTS]
    tried = [_found(word - logsumexp(word, axis=1, keepdims=True) + known, photons, sample.noise) for word in words]
    telling = [one for one in tried if one[1].gain >= GAIN]
    prior, brightness = max(telling, key=lambda one: _of_photons(one[0], one[1], photons)) if telling else tried[0]
    if brightness.gain < GAIN and is_single is None:
        return by_mixture(alone(log_p), np.ones(len(log_p))), brightness
    return _odds(prior, brightness, photons), brightness


def _found(prior: Array, photons: Array, noise: float) -> tuple[Array, Brightness]:
    """What a network and labels say (n, k), and the likeliest brightness under it, of some starts."""
    weight = np.exp(prior - logsumexp(prior, axis=1, keepdims=True))
    numbers = np.arange(1, prior.shape[1] + 1)
    guess = max(float((photons[:, None] * weight / numbers).sum() / weight.sum()), noise / 10, 1e-3)
    starts = _likeliest(prior, photons, guess, noise)
    settled = [_settle(prior, photons, log_m, log_s, noise) for log_m, log_s in starts]
    return prior, max(settled, key=lambda one: one[0])[1]


def _of_photons(prior: Array, brightness: Brightness, photons: Array) -> float:
    """ln p of all photons, given what a network and labels say of each pattern, and the brightness."""
    expected = prior + np.log(brightness.share)
    return float((logsumexp(expected + brightness.log_likelihood(photons), axis=1) - logsumexp(expected, axis=1)).sum())


def by_brightness(brightness: Brightness, sample: Sample) -> Array:
    """(n,) log-odds of further patterns of a sample whose brightness is known: single and multiple as frequent."""
    share = brightness.share.copy()
    share[0], share[1:] = 0.5, 0.5 * share[1:] / share[1:].sum()
    return _odds(sample.log_p, brightness._replace(share=share), np.asarray(sample.photons, float))


def _odds(prior: Array, brightness: Brightness, photons: Array) -> Array:
    if brightness.gain < GAIN:
        return alone(prior)
    joint = prior + np.log(brightness.share * prior.shape[1]) + brightness.log_likelihood(photons)
    return joint[:, 0] - logsumexp(joint[:, 1:], axis=1)


def _of_labels(is_single: NDArray[np.int8] | None, shape: tuple[int, int]) -> Array:
    """(n, k) what is added to log-probabilities so that labels have the last word."""
    known = np.zeros(shape)
    if is_single is not None:
        known[is_single == 1, 1:] = -50.0
        known[is_single == 0, 0] = -50.0
    return known


def _log_likelihood(photons: Array, log_m: float, log_s: float, noise: float, k: int) -> Array:
    mean = np.exp(log_m) * np.arange(1, k + 1)
    scale = 4 * max(noise**2, 1.0)
    variance = (np.square(mean * np.exp(log_s)) + mean + noise**2) / (np.square(mean) + scale)
    y, at = np.arcsinh(photons / np.sqrt(scale)), np.arcsinh(mean / np.sqrt(scale))
    return -0.5 * np.square(y[:, None] - at) / variance - 0.5 * np.log(2 * np.pi * variance)


def _likeliest(prior: Array, photons: Array, guess: float, noise: float) -> list[tuple[float, float]]:
    """The `STARTS` likeliest of all guesses at log m and log s, by their likelihood under the network's word."""
    k = prior.shape[1]
    tried = [(float(np.log(guess * times)), float(np.log(spread))) for times in GUESSES[0] for spread in GUESSES[1]]
    likely = [logsumexp(prior + _log_likelihood(photons, *at, noise, k), axis=1).sum() for at in tried]
    return [tried[index] for index in np.argsort(likely)[: -STARTS - 1 : -1]]


def _settle(prior: Array, photons: Array, log_m: float, log_s: float, noise: float) -> tuple[float, Brightness]:
    """The log-likelihood of a sample, and its brightness, where expectation maximisation from a guess ends.

    Expectation: numbers of particles, by network, shares and brightness. Maximisation: m and s by Nelder and Mead's
    simplex, as the variance holds both; shares are half what brightness makes of them and half what the network
    expects, or a wide spread would let one number take all.
    """
    k = prior.shape[1]
    share, before = np.full(k, 1 / k), -np.inf
    expected = np.exp(prior - logsumexp(prior, axis=1, keepdims=True)).mean(axis=0)
    for _ in range(STEPS):
        joint = prior + np.log(share * k) + _log_likelihood(photons, log_m, log_s, noise, k)
        total = logsumexp(joint, axis=1, keepdims=True)
        weight = np.exp(joint - total)
        if (now := float(total.sum())) - before < 1e-3:
            break
        before = now
        share = (weight.mean(axis=0) + expected) / 2

        def cost(at: Array, weight: Array = weight) -> float:
            outside = max(0.0, np.log(SPREADS[0]) - at[1], at[1] - np.log(SPREADS[1]))
            return float(
                -(weight * _log_likelihood(photons, at[0], np.clip(at[1], *np.log(SPREADS)), noise, k)).sum()
                + 1e3 * outside
            )

        log_m, log_s = minimize(cost, (log_m, log_s), method="Nelder-Mead", options={"maxiter": 15}).x
        log_s = float(np.clip(log_s, *np.log(SPREADS)))
    gain = (before - _unrelated(prior, share, photons, noise)) / len(prior)
    return before, Brightness(float(np.exp(log_m)), float(np.exp(log_s)), noise, share, gain)


def _unrelated(prior: Array, share: Array, photons: Array, noise: float) -> float:
    """Log-likelihood of a sample whose photons have one normal distribution in y, whatever the number of particles."""
    y = np.arcsinh(photons / np.sqrt(4 * max(noise**2, 1.0)))
    variance = max(float(y.var()), 1e-6)
    of_shape = float(logsumexp(prior + np.log(share * prior.shape[1]), axis=1).sum())
    return of_shape - len(y) / 2 * (np.log(2 * np.pi * variance) + float(y.var()) / variance)
