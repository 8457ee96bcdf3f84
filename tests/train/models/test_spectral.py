"""What a perceptron learns from: as spectral clustering describes patterns, whatever the turn and the fluence."""

import numpy as np
import torch

from evaluate.baselines.spectral_clustering import features
from train.models.polar import spectral
from train.models.polar.spectral import RingOrders, Spectral


def test_the_amplitudes_are_those_of_spectral_clustering(monkeypatch):
    """By numpy's transform of bins that are summed by a sparse matrix; the floor is for rounding alone."""
    monkeypatch.setattr(spectral, "FLOOR", 0.0)
    images = np.random.default_rng(0).poisson(2.0, (6, 128, 128)).astype(np.float32)
    found = RingOrders()(torch.from_numpy(images)[:, None]).numpy()
    np.testing.assert_allclose(found[:, :-1], features(images), atol=2e-3)
    np.testing.assert_allclose(np.sinh(found[:, -1]), images.sum((1, 2)), rtol=1e-5)


def test_the_floor_changes_little_where_there_are_photons(monkeypatch):
    images = torch.poisson(torch.full((4, 1, 128, 128), 5.0))
    with_floor = RingOrders()(images)
    monkeypatch.setattr(spectral, "FLOOR", 0.0)
    assert (with_floor - RingOrders()(images)).abs().max() < 0.05


def test_a_turn_of_a_quarter_and_another_fluence_change_nothing_but_the_brightness():
    image = torch.poisson(100 * torch.rand(1, 1, 128, 128))
    asked = RingOrders()
    one, turned, brighter = (asked(some)[:, :-1] for some in (image, image.rot90(1, (2, 3)), 3 * image))
    torch.testing.assert_close(turned, one, atol=2e-3, rtol=0)
    torch.testing.assert_close(brighter, one, atol=2e-3, rtol=0)


def test_a_dark_pattern_has_an_answer():
    network = Spectral({"a": 2}).eval()
    assert torch.isfinite(network(torch.zeros(2, 1, 128, 128))["a"]).all()
