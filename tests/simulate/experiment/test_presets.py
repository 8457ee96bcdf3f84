"""Presets are experiments that make sense."""

import numpy as np
import pytest

from frames.geometry import wavelength
from simulate.experiment.config import DatasetConfig
from simulate.experiment.panels import coverage
from simulate.experiment.presets import presets

FACILITIES = ["lcls-amo", "euxfel-spb"]


def preset(name: str) -> DatasetConfig:
    return DatasetConfig.model_validate(presets()[name])


def nyquist_extent_nm(config: DatasetConfig) -> float:
    """Largest object whose intensity the pixels sample: λ·distance/(2·pixel)."""
    detector = config.detector
    lamda_nm = wavelength(config.beam.photon_energy_eV) / 10
    return lamda_nm * detector.distance_mm * 1e3 / (2 * detector.image_pixel_size_um)


@pytest.mark.parametrize("name", ["clean", "poster", *FACILITIES])
def test_every_preset_is_a_valid_dataset_for_the_networks(name: str) -> None:
    assert set(presets()) >= {"clean", "poster", *FACILITIES}
    assert preset(name).detector.n_pixels == 128


@pytest.mark.parametrize("name", FACILITIES)
def test_particles_of_twenty_to_seventy_nanometres_are_sampled(name: str) -> None:
    config = preset(name)
    assert nyquist_extent_nm(config) > 70
    # The first minimum of a sphere of 20 nm, at q·R = 4.49, is on the live part of the image, well within its edge.
    detector = config.detector
    angle = 2 * np.arcsin(4.49 / 100 * wavelength(config.beam.photon_energy_eV) / (4 * np.pi))
    minimum = detector.distance_mm * 1e3 * np.tan(angle) / detector.image_pixel_size_um
    assert 8 < minimum < detector.n_pixels / 4
    offset = np.arange(detector.n_pixels) - (detector.n_pixels - 1) / 2
    ring = np.abs(np.hypot(offset[:, None], offset) - minimum) < 1
    assert coverage(detector)[ring].mean() > 0.5


@pytest.mark.parametrize("name", FACILITIES)
def test_photons_fit_the_pulse(name: str) -> None:
    """No more energy in the focus than the machines give, 10 mJ a pulse at most."""
    config = preset(name)
    assert config.photons_per_pulse * config.beam.photon_energy_eV * 1.602e-19 < 10e-3
    assert config.beam.focus_profile == "gaussian"
    assert config.beam.energy_jitter > 0
    assert config.background.flat_photons > 0
    assert config.readout.read_noise_photons > 0
    assert config.readout.saturation_photons is not None
