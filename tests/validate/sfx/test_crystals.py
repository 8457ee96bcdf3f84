"""The check of crystals finds spots that are displaced, too bright, or of another crystal."""

from dataclasses import replace

import numpy as np
import pytest

from simulate.sfx.config import CrystalConfig
from simulate.sfx.crystal import Crystal, crystal
from validate.sfx import crystals


@pytest.fixture(scope="module")
def cells() -> Crystal:
    return crystal(CrystalConfig(resolution_A=2.0, seed=3), 2.0)


def test_spots_agree_with_the_sum(cells: Crystal) -> None:
    found = crystals.compared(cells, np.eye(3), 20)
    assert found.distance.max() < 0.5
    assert np.abs(found.ratio - 1).max() < 0.1


def test_what_is_wrong_is_noticed(cells: Crystal, monkeypatch: pytest.MonkeyPatch) -> None:
    right = crystals.spots

    def moved(*arguments: object) -> object:
        found = right(*arguments)
        return replace(found, x=found.x + 0.6, photons=1.2 * found.photons)

    monkeypatch.setattr(crystals, "spots", moved)
    names = {failure.split(":", 1)[1].split(",")[0].strip() for failure in _failures()}
    assert {"distance of a spot from the sum's [pixel]", "photons of a spot against the sum"} <= names


def test_a_noise_without_correlation_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def poisson(cells: Crystal, n_pixels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        return np.random.default_rng(seed).poisson(1000, (256, 256)), np.ones((256, 256), bool)

    monkeypatch.setattr(crystals, "_blank", poisson)
    assert sum("noise" in failure for failure in _failures()) == 4


def _failures() -> list[str]:
    return crystals.check(orientations=1, n_spots=20, n_pixels=480, hits=200, seed=11).failures
