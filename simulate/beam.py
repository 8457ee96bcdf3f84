"""The X-ray pulse: energy, wavelength and fluence."""

import math

from scipy import constants

CLASSICAL_ELECTRON_RADIUS_M = constants.physical_constants["classical electron radius"][0]


def wavelength(photon_energy_eV: float) -> float:
    """Wavelength [Å] of photons of this energy [eV], λ = hc/E."""
    return constants.h * constants.c / (photon_energy_eV * constants.eV) * 1e10


def fluence(photons_per_pulse: float, focus_radius_um: float) -> float:
    """Photons per µm² of a pulse spread evenly over a disc of this radius [µm].

    The one place where photons per pulse become photons per area (skopi calls the former "fluence").
    """
    return photons_per_pulse / (math.pi * focus_radius_um**2)
