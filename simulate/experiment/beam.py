"""The X-ray pulse: energy, wavelength and fluence."""

import math
from typing import Literal

JITTER_CUT = 3.0
"""Energy and beam position deviate by at most this many standard deviations, so that volumes know how far to reach."""


def fluence(photons_per_pulse: float, focus_radius_um: float) -> float:
    """Photons per µm² of a pulse spread evenly over a disc of this radius [µm].

    The one place where photons per pulse become photons per area (skopi calls the former "fluence").
    """
    return photons_per_pulse / (math.pi * focus_radius_um**2)


def peak_fluence(photons_per_pulse: float, focus_radius_um: float, profile: Literal["uniform", "gaussian"]) -> float:
    """Photons per µm² on the axis; the radius [µm] is the disc's, or where a Gaussian falls to 1/e² of its peak.

    A Gaussian J exp(−2r²/w²) holds J π w²/2 photons, so its peak is twice the fluence of a disc of that radius.
    """
    return fluence(photons_per_pulse, focus_radius_um) * (2 if profile == "gaussian" else 1)
