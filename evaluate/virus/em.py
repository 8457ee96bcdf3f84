"""Classes of frames that look alike in any rotation about the beam, by expectation maximisation.

Every class is a pattern W on rings and angles, and frame i is a turned, scaled copy of one, with Poisson noise, as in
`spi-em-class` (Bobkov; used by Assalauova et al., IUCrJ 7, 1102, 2020): L = sum D log(phi W) - phi sum W. Here frames
and classes are on the same polar bins, so the likelihoods of all rotations are one circular correlation:
sum over rings of irfft(rfft(D) conj(rfft(log W))), a product of matrices for every angular frequency. A frame's scale
is the likeliest, phi = sum D / sum W over its live bins. What else differs from that program: probabilities are
annealed, so that 1e5 photons do not freeze the first random guess; and a seed decides every number.
"""

import logging
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

FAINTEST = 1e-6
"""Photons per bin that a class has at least, relative to its mean: the logarithm of nothing would forbid a photon."""

AT_ONCE = 1024
"""Frames whose likelihoods are held together."""


@dataclass(frozen=True)
class EMConfig:
    """How classes are made."""

    n_classes: int = 20
    n_iterations: int = 30
    log: bool = False
    """log(photons + 1) in place of photons"""
    coolest: float = 1.0
    """power of the likelihood in the last third of the iterations; before, it rises geometrically to it"""
    hottest_gain: float = 5.0
    """at the start the likelihood's power is such that the likeliest class and rotation of a frame is better than the
    mean one by so much, averaged over frames: from 20 on, the first random guess stays"""
    restarts: int = 1
    """random starts, of which the likeliest end is kept"""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    def __post_init__(self) -> None:
        for name in ("n_classes", "n_iterations", "restarts"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")
        if not (self.coolest > 0 and self.hottest_gain > 0):
            raise ValueError("coolest and hottest_gain of the EM are expected to be positive")


@dataclass(frozen=True)
class EMClasses:
    """What frames fall into."""

    models: NDArray[np.float32]
    """(k, rings, angles) photons a live pixel, of a frame of scale 1"""
    classes: NDArray[np.int64]
    """(n,) the likeliest class of each frame"""
    rotations: NDArray[np.int64]
    """(n,) by how many angles the class is turned"""
    scales: NDArray[np.float32]
    """(n,)"""
    probability: NDArray[np.float32]
    """(n,) of the likeliest class, at the end"""
    log_likelihood: NDArray[np.float64]
    """(iterations,) mean over frames, of the likeliest class and rotation; constants left out"""


def log_likelihoods(
    frames: NDArray, models: NDArray, live: NDArray, spectrum: NDArray | None = None
) -> NDArray[np.float32]:
    """(n, k, rotations) of frames (n, r, a) given models (k, r, a), each frame's scale the likeliest.

    `spectrum` is that of the frames, where it is known.

    With phi = N / S, N photons of a frame and S = sum of live * W turned: sum D log W - N log S, and what depends on
    the frame alone is left out.
    """
    n_angles = frames.shape[2]
    level = models.mean((1, 2), keepdims=True)
    logarithm = np.log(np.maximum(models, FAINTEST * level))
    # angular frequency first: one product of matrices for each
    turned = _correlated(_spectrum(frames) if spectrum is None else spectrum, _spectrum(logarithm), n_angles)
    sums = _correlated(_spectrum(live[None]), _spectrum(np.maximum(models, FAINTEST * level)), n_angles)[0]
    photons = frames.sum((1, 2), dtype=np.float64).astype(np.float32)
    return turned - photons[:, None, None] * np.log(np.maximum(sums, 1e-30))


def _spectrum(maps: NDArray) -> NDArray[np.complex64]:
    """(f, n, r) of maps (n, r, a)."""
    return np.ascontiguousarray(np.fft.rfft(maps, axis=2).transpose(2, 0, 1).astype(np.complex64))


def _correlated(one: NDArray, other: NDArray, n_angles: int) -> NDArray[np.float32]:
    """(n, k, a): sum over rings and angles of one(r, angle + turn) other(r, angle); spectra (f, n, r), (f, k, r)."""
    product = np.matmul(one, other.conj().transpose(0, 2, 1))
    return np.fft.irfft(product.transpose(1, 2, 0), n_angles, axis=2).astype(np.float32)


def _turned_back(weights: NDArray, maps: NDArray, spectrum: NDArray | None = None) -> NDArray[np.float32]:
    """(k, r, a): sum over frames and turns of weights (n, k, turns) times maps (n, r, a) turned back by these."""
    n_angles = maps.shape[2]
    turns = np.fft.rfft(weights, axis=2).transpose(2, 1, 0).astype(np.complex64)  # (f, k, n)
    product = np.matmul(turns.conj(), _spectrum(maps) if spectrum is None else spectrum)  # (f, k, r)
    return np.fft.irfft(product.transpose(1, 2, 0), n_angles, axis=2).astype(np.float32)


def probabilities(likelihoods: NDArray[np.float32], power: float) -> NDArray[np.float32]:
    """(n, k, rotations) of each frame, summing to 1: likelihoods to a power."""
    scaled = power * (likelihoods - likelihoods.max((1, 2), keepdims=True))
    weights = np.exp(np.maximum(scaled, -80))
    return weights / weights.sum((1, 2), keepdims=True)


def classify(frames: NDArray[np.float32], live: NDArray[np.float32], config: EMConfig, seed: int = 0) -> EMClasses:
    """Classes of frames (n, rings, angles) whose bins have `live` (rings, angles) pixels; equal for a seed to the bit.

    ValueError where there are fewer frames than classes, or a frame has no photons.
    """
    if len(frames) < config.n_classes:
        raise ValueError(f"{len(frames)} frames for {config.n_classes} classes; lower n_classes")
    if (dark := np.flatnonzero(frames.sum((1, 2)) <= 0)).size:
        raise ValueError(f"frame {dark[0]} has no photons between the rings, and {dark.size - 1} more; leave them out")
    ends = [_one_start(frames, live, config, np.random.default_rng((seed, start))) for start in range(config.restarts)]
    return max(ends, key=lambda end: float(end.log_likelihood[-1]))


def _one_start(frames: NDArray, live: NDArray, config: EMConfig, generator: np.random.Generator) -> EMClasses:
    photons = frames.sum((1, 2), dtype=np.float64)
    scale = (photons / photons.mean()).astype(np.float32)
    models = _random_models(frames, live, config.n_classes, generator)
    powers: NDArray | None = None
    spectra = [_spectrum(frames[start : start + AT_ONCE]) for start in range(0, len(frames), AT_ONCE)]
    history = []
    for iteration in range(config.n_iterations):
        numerator, denominator, best = np.zeros_like(models), np.zeros_like(models), 0.0
        for start in range(0, len(frames), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            likelihoods = log_likelihoods(frames[some], models, live, spectra[start // AT_ONCE])
            if powers is None:
                powers = _powers(likelihoods, config)
            weights = probabilities(likelihoods, float(powers[iteration]))
            best += float(likelihoods.max((1, 2)).sum(dtype=np.float64))
            numerator += _turned_back(weights, frames[some], spectra[start // AT_ONCE])
            scaled = np.einsum("n,nka->ka", scale[some], weights)[None]
            denominator += _turned_back(scaled, live[None])
        level = numerator.sum() / denominator.sum()
        # a bin that no frame of a class sees takes the ring's mean: a mask must not attract frames that miss it
        seen = denominator > 1e-6 * denominator.max()
        ring = numerator.sum(2, keepdims=True) / np.maximum(denominator.sum(2, keepdims=True), 1e-12)
        models = np.where(seen, numerator / np.maximum(denominator, 1e-12), ring)
        models = np.maximum(models, FAINTEST * level).astype(np.float32)
        history.append(best / len(frames))
    return _assigned(frames, live, models, config, np.array(history))


def _random_models(frames: NDArray, live: NDArray, k: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """(k, r, a): frames far from each other in shape, chosen one after the other (k-means++), smoothed by the mean.

    Distances are of square roots of the spectra around rings, which no turn changes.
    """
    amplitudes = np.sqrt(np.abs(np.fft.rfft(frames, axis=2))[:, :, :9]).reshape(len(frames), -1)
    amplitudes /= np.linalg.norm(amplitudes, axis=1, keepdims=True)
    chosen = [int(generator.integers(len(frames)))]
    nearest = np.full(len(frames), np.inf)
    for _ in range(k - 1):
        nearest = np.minimum(nearest, ((amplitudes - amplitudes[chosen[-1]]) ** 2).sum(1))
        total = nearest.sum()
        share = nearest / total if total > 0 else np.full(len(frames), 1 / len(frames))
        chosen.append(int(generator.choice(len(frames), p=share / share.sum())))
    pixels = np.maximum(live, 1)
    mean = frames.mean(0) / pixels
    flat = np.broadcast_to(mean.mean(1, keepdims=True), mean.shape)
    size = frames.sum((1, 2)).mean()
    own = frames[chosen] * (size / frames[chosen].sum((1, 2), keepdims=True)) / pixels
    jitter = 1 + 0.01 * generator.random(own.shape)
    return np.where(live > 0, (0.7 * own + 0.3 * flat) * jitter, flat).astype(np.float32)


def _powers(likelihoods: NDArray[np.float32], config: EMConfig) -> NDArray[np.float64]:
    """(iterations,) of the likelihood: from where classes and rotations differ little to the likelihood itself."""
    spread = float(np.mean(likelihoods.max((1, 2)) - likelihoods.mean((1, 2))))
    first = min(config.coolest, config.hottest_gain / max(spread, 1e-9))
    rising = max(1, 2 * config.n_iterations // 3)
    return np.array(
        [first * (config.coolest / first) ** min(1.0, number / rising) for number in range(config.n_iterations)]
    )


def _assigned(
    frames: NDArray, live: NDArray, models: NDArray, config: EMConfig, history: NDArray[np.float64]
) -> EMClasses:
    classes, rotations, probability, scales = [], [], [], []
    for start in range(0, len(frames), AT_ONCE):
        some = frames[start : start + AT_ONCE]
        likelihoods = log_likelihoods(some, models, live)
        share = probabilities(likelihoods, config.coolest).sum(2)
        flat = likelihoods.reshape(len(some), -1).argmax(1)
        one, turn = np.divmod(flat, likelihoods.shape[2])
        classes.append(one)
        rotations.append(turn)
        probability.append(share[np.arange(len(some)), one])
        turned = np.stack([(live * np.roll(models[k], t, 1)).sum() for k, t in zip(one, turn, strict=True)])
        scales.append(some.sum((1, 2)) / turned)
    joined = [np.concatenate(parts) for parts in (classes, rotations, scales, probability)]
    return EMClasses(models, joined[0], joined[1], joined[2].astype("f4"), joined[3].astype("f4"), history)
