"""Placement models: contact, no overlap, no preferred direction, and skopi's own aggregates as the reference."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist, squareform

from simulate import aggregates


@pytest.mark.parametrize("model", aggregates.MODELS)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_every_particle_touches_another_and_none_overlap(model: str, n: int) -> None:
    rng = np.random.default_rng(n)
    for _ in range(20):
        centres = aggregates.MODELS[model](rng, n, 85.0)
        assert centres.shape == (n, 3)
        assert np.array_equal(centres[0], np.zeros(3))
        if n > 1:
            distances = squareform(pdist(centres)) + np.diag(np.full(n, np.inf))
            assert distances.min(axis=1) == pytest.approx(np.full(n, 170.0), rel=1e-9)


@pytest.mark.parametrize("model", aggregates.MODELS)
def test_pairs_have_no_preferred_direction(model: str) -> None:
    rng = np.random.default_rng(0)
    directions = np.array([aggregates.MODELS[model](rng, 2, 0.5)[1] for _ in range(3000)])
    for axis in range(3):  # a uniform direction's components are uniform on [-1, 1]
        assert stats.kstest(directions[:, axis], stats.uniform(-1, 2).cdf).pvalue > 1e-4


def opening_angle(centres: np.ndarray) -> float:
    """Angle at the middle particle of a chain of three, 60 to 180 degrees."""
    distances = pdist(centres)  # two are contacts, the third spans the opening
    return float(np.degrees(2 * np.arcsin(distances.max() / (2 * np.sort(distances)[0]))))


def test_ballistic_opens_as_wide_as_skopis(monkeypatch: pytest.MonkeyPatch) -> None:
    from skopi.aggregate import build_bpca

    monkeypatch.setattr(np, "float", float, raising=False)  # skopi 0.6.0 uses names that numpy dropped
    monkeypatch.setattr(np, "int", int, raising=False)
    np.random.seed(1)  # noqa: NPY002 - skopi draws from the global generator
    n = 1500
    theirs = [opening_angle(build_bpca(3, radius=1.0).pos[:3]) for _ in range(n)]
    rng = np.random.default_rng(1)
    ours = [opening_angle(aggregates.ballistic(rng, 3, 1.0)) for _ in range(n)]
    assert stats.ks_2samp(theirs, ours).pvalue > 1e-3


def test_models_differ() -> None:
    rng = np.random.default_rng(2)
    spans = {
        name: np.mean([pdist(place(rng, 4, 1.0)).max() for _ in range(400)])
        for name, place in aggregates.MODELS.items()
    }
    assert len(set(np.round(list(spans.values()), 2))) == len(spans)
