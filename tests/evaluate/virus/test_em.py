"""EM: likelihoods against a loop over frames, classes and turns; classes found again; equal for a seed."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from evaluate.virus.em import EMConfig, _turned_back, classify, log_likelihoods, probabilities


def shapes(n_rings: int = 12, n_angles: int = 24) -> np.ndarray:
    """Three patterns on rings and angles that no turn brings to one another."""
    r, a = np.mgrid[:n_rings, :n_angles]
    falling = np.exp(-r / 4)
    angle = 2 * np.pi * a / n_angles
    return np.stack(
        [
            falling * (1 + 0.9 * np.cos(1.6 * r)),
            falling * (1 + 0.9 * np.cos(2 * angle)),
            falling * (1 + 0.9 * np.cos(3 * angle) * np.cos(r)),
        ]
    )


def made(n: int, photons: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    models = shapes()
    live = np.full(models.shape[1:], 4.0, np.float32)
    live[:, :5] = 0
    truth = generator.integers(3, size=n)
    bright = photons * generator.gamma(3, 1 / 3, n)
    frames = np.stack(
        [
            generator.poisson(b * live * np.roll(models[k], generator.integers(24), 1))
            for k, b in zip(truth, bright, strict=True)
        ]
    )
    return frames.astype(np.float32), live, truth


def test_likelihoods_are_those_of_a_loop() -> None:
    frames, live, _ = made(5, 3)
    models = shapes().astype(np.float32)
    found = log_likelihoods(frames, models, live)
    for i in range(5):
        for k in range(3):
            for turn in range(0, 24, 7):
                turned = np.roll(models[k].astype(float), turn, 1)
                scale = frames[i].sum() / (live * turned).sum()
                slow = (frames[i] * np.log(turned)).sum() + frames[i].sum() * np.log(scale) - frames[i].sum()
                alone = frames[i].sum() * np.log(frames[i].sum()) - frames[i].sum()
                assert found[i, k, turn] == pytest.approx(slow - alone, rel=2e-5, abs=1e-2)


def test_frames_are_turned_back_as_in_a_loop() -> None:
    generator = np.random.default_rng(1)
    weights, maps = generator.random((3, 2, 8)).astype("f4"), generator.random((3, 4, 8)).astype("f4")
    slow = np.zeros((2, 4, 8))
    for i in range(3):
        for k in range(2):
            for turn in range(8):
                slow[k] += weights[i, k, turn] * np.roll(maps[i], -turn, 1)
    np.testing.assert_allclose(_turned_back(weights, maps), slow, rtol=1e-5)


def test_probabilities_sum_to_one_and_sharpen() -> None:
    likelihoods = np.random.default_rng(0).normal(size=(4, 3, 8)).astype("f4") * 100
    for power in (0.001, 1):
        np.testing.assert_allclose(probabilities(likelihoods, power).sum((1, 2)), 1, rtol=1e-5)
    assert probabilities(likelihoods, 1).max() > 0.99 > 0.2 > probabilities(likelihoods, 1e-4).max()


@pytest.mark.parametrize("log", [False, True])
def test_classes_are_found_again_whatever_the_turn_and_the_brightness(log) -> None:
    frames, live, truth = made(150, 12)
    used = np.log1p(frames) if log else frames
    found = classify(used, live, EMConfig(n_classes=3, n_iterations=20, log=log, restarts=3), seed=1)
    assert adjusted_rand_score(truth, found.classes) > 0.95
    assert found.log_likelihood[-1] > found.log_likelihood[0]
    assert found.probability.min() > 1 / 3 - 1e-6


def test_a_seed_decides_every_bit() -> None:
    frames, live, _ = made(60, 5)
    config = EMConfig(n_classes=4, n_iterations=8)
    one, again, other = (classify(frames, live, config, seed) for seed in (3, 3, 4))
    assert np.array_equal(one.models, again.models)
    assert np.array_equal(one.classes, again.classes)
    assert not np.array_equal(one.models, other.models)


def test_what_cannot_be_classified_is_said() -> None:
    frames, live, _ = made(5, 3)
    with pytest.raises(ValueError, match="lower n_classes"):
        classify(frames, live, EMConfig(n_classes=6))
    frames[2] = 0
    with pytest.raises(ValueError, match="frame 2 has no photons"):
        classify(frames, live, EMConfig(n_classes=2))
