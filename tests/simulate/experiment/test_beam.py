"""The pulse: wavelength and fluence, against skopi and by hand."""

import math

import pytest

from frames.geometry import CLASSICAL_ELECTRON_RADIUS_M, wavelength
from simulate.experiment.beam import fluence
from simulate.skopi.detector import make_beam, make_detector


def test_wavelength_of_one_kilo_electronvolt() -> None:
    # hc = 12398.42 eV Å (CODATA)
    assert wavelength(1000.0) == pytest.approx(12.39842, abs=1e-5)


def test_fluence_is_photons_over_the_disc_of_the_focus() -> None:
    assert fluence(1e12, 0.5) == pytest.approx(1e12 / (math.pi * 0.25))


def test_agrees_with_skopi() -> None:
    beam = make_beam(4600.0, 0.5, 1e12)
    # skopi types its constants by hand, with 9 digits.
    assert beam.wavelength * 1e10 == pytest.approx(wavelength(4600.0), rel=1e-7)
    assert beam.get_photons_per_pulse_per_area() * 1e-12 == pytest.approx(fluence(1e12, 0.5), rel=1e-12)


def test_electron_radius_is_skopis() -> None:
    detector = make_detector(8, 600, 323, make_beam(4600.0, 0.5, 1e12))
    # skopi's detector has 2.81789502e-15 m, 1.6e-5 below CODATA's.
    assert detector.Thomson_factor == pytest.approx(CLASSICAL_ELECTRON_RADIUS_M**2, rel=4e-5, abs=0)
