"""What a network sees of a pattern."""

from math import lgamma
from typing import get_args

import numpy as np
import pytest
import torch

from train.batches.input_transforms import INPUTS, network_input, standardise
from train.config.recipe import InputTransform

CPU = torch.device("cpu")


def test_standardised_images_have_zero_mean_and_unit_variance_each():
    """Against numpy in float64; results reach ten, where a float32 ulp is 1e-6: ten of them are allowed."""
    generator = np.random.default_rng(0)
    images = generator.exponential(size=(4, 1, 32, 48)) * np.array([1e-3, 1, 5, 1e4])[:, None, None, None]
    mean, deviation = images.mean((-2, -1), keepdims=True), images.std((-2, -1), keepdims=True)
    result = standardise(torch.from_numpy(images).float())
    np.testing.assert_allclose(result.numpy(), (images - mean) / deviation, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(6, 9), (5, 6, 9), (2, 5, 1, 6, 9)])
def test_images_are_standardised_along_their_last_two_axes_however_many_there_are(shape):
    images = np.random.default_rng(1).exponential(size=shape)
    mean, deviation = images.mean((-2, -1), keepdims=True), images.std((-2, -1), keepdims=True)
    result = standardise(torch.from_numpy(images))
    np.testing.assert_allclose(result.numpy(), (images - mean) / deviation, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bright", [(slice(1, 2), slice(None)), (slice(None), slice(2, 3))])
def test_a_row_or_a_column_at_the_maximum_is_no_constant_image(bright):
    """A stripe, as of a saturated line of the readout."""
    images = np.arange(30.0).reshape(1, 1, 5, 6)
    images[0, 0][bright] = 40
    result = standardise(torch.from_numpy(images))
    np.testing.assert_allclose(result.numpy(), (images - images.mean()) / images.std(), rtol=1e-12)


def test_the_input_lies_on_the_device_that_is_asked_for():
    """The device `meta` computes nothing."""
    assert network_input(np.zeros((2, 4, 4), np.uint16), "photons", torch.device("meta")).device.type == "meta"


@pytest.mark.parametrize("value", [0.0, 0.1, 1e-8, 12345.678])
def test_a_constant_image_becomes_zeros_and_leaves_its_neighbours_alone(value):
    """0.1 is the trap: the rounded mean of equal values differs from them."""
    images = torch.full((2, 1, 128, 128), value)
    images[1] = torch.randn(1, 128, 128)
    result = standardise(images)
    assert (result[0] == 0).all()
    assert result[1].std() == pytest.approx(1, abs=1e-3)


def test_counts_reach_the_network_as_numbers():
    """Also those above the signed 16-bit range."""
    counts = np.zeros((1, 4, 4), np.uint16)
    counts[0, 0, 0] = 65535
    result = network_input(counts, "standardise", CPU)
    expected = (counts - counts.mean()) / counts.std()
    assert result.shape == (1, 1, 4, 4)
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result[0].numpy(), expected, rtol=1e-5)


def test_a_recipe_offers_the_transforms_that_exist():
    assert set(get_args(InputTransform)) == set(INPUTS)


def test_photons_are_left_as_they_are():
    images = np.array([[[0.0, 1.5], [-0.3, 70000.0]]], np.float32)
    np.testing.assert_array_equal(network_input(images, "photons", CPU)[:, 0].numpy(), images)


def test_a_logarithm_keeps_the_sign_of_what_read_noise_left():
    images = np.array([[[0.0, 1.5], [-0.3, 70000.0]]], np.float32)
    expected = [[0, np.log(2.5)], [-np.log(1.3), np.log(70001)]]
    np.testing.assert_allclose(network_input(images, "log1p", CPU)[0, 0].numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("mean", [5.0, 20.0, 200.0])
def test_anscombes_root_makes_poisson_counts_vary_by_one(mean):
    """By the Poisson law itself, of all counts that have a chance. To the next order the variance is
    1 + 1/(16 mean²) (Anscombe 1948): less than 0.3 % of five photons; 2 % are left for the orders after it."""
    counts = np.arange(int(mean + 12 * np.sqrt(mean)) + 20)
    chance = np.exp(counts * np.log(mean) - mean - np.array([lgamma(n + 1) for n in counts]))
    root = network_input(counts[None, None].astype(np.float32), "anscombe", CPU)[0, 0, 0].double().numpy()
    variance = (chance * root**2).sum() - (chance * root).sum() ** 2
    assert variance == pytest.approx(1, abs=0.02 if mean < 10 else 0.005)


def test_anscombes_root_of_less_than_nothing_is_nothing():
    images = np.array([[[-1.0, -0.375], [0.0, 3.625]]], np.float32)
    expected = [[0, 0], [2 * np.sqrt(0.375), 4]]
    np.testing.assert_allclose(network_input(images, "anscombe", CPU)[0, 0].numpy(), expected, rtol=1e-6)


def test_anscombes_root_can_be_standardised():
    images = torch.rand(2, 8, 8) * 9
    both = network_input(images, "anscombe_standardise", CPU)
    torch.testing.assert_close(both, standardise(network_input(images, "anscombe", CPU)))
