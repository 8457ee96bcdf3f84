"""How far out a dataset scatters: the largest |q| that its shots may ask of a volume, known from the config alone.

Volumes are made up to a reach that is rounded up to two digits, so datasets of nearly the same experiment share them,
and a new dataset makes none that are there already.
"""

import math
from decimal import ROUND_CEILING, Decimal

from frames.geometry import wavelength
from simulate.experiment.beam import JITTER_CUT
from simulate.experiment.config import DatasetConfig


def largest_q(dataset: DatasetConfig) -> float:
    """Largest |q| [Å⁻¹] on the detector, in any shot: at its outermost corner, when the beam is farthest from there.

    |q| = (4π/λ) sin(θ/2); energy and beam position are JITTER_CUT standard deviations from their means, the position
    both along x and along y.
    """
    beam, detector = dataset.beam, dataset.detector
    half_um = detector.n_pixels * detector.image_pixel_size_um / 2 + JITTER_CUT * beam.centre_jitter_um
    corner_um = math.hypot(*(half_um + abs(offset) for offset in beam.centre_offset_um))
    angle = math.atan(corner_um * 1e-3 / detector.distance_mm)
    energy = beam.photon_energy_eV * (1 + JITTER_CUT * beam.energy_jitter)
    return 4 * math.pi / wavelength(energy) * math.sin(angle / 2)


def reach_of(dataset: DatasetConfig) -> str:
    """Name of the reach of a dataset's volumes: `q0.39` is 0.39 Å⁻¹, the next number of two digits from `largest_q`."""
    exact = Decimal(largest_q(dataset))
    step = Decimal(1).scaleb(exact.adjusted() - 1)
    return f"q{exact.quantize(step, rounding=ROUND_CEILING):f}"


def reach_q(name: str) -> float:
    """|q| of a reach, by its name [Å⁻¹]."""
    return float(name.removeprefix("q"))
