"""A small experiment and molecules that the tests of the simulation share."""

import numpy as np
import pytest

from frames.geometry import Geometry
from simulate.experiment.geometry import square_detector
from support.references import Atoms, atoms_of


@pytest.fixture(scope="session")
def geometry() -> Geometry:
    """The default experiment: 4,600 eV, 128 x 128 pixels of 600 µm at 323 mm."""
    return square_detector(photon_energy_eV=4600, n_pixels=128, pixel_size_um=600, distance_mm=323)


@pytest.fixture(scope="session")
def small_geometry() -> Geometry:
    """24 x 24 pixels over the same angles, fine enough for particles of 13 nm."""
    return square_detector(photon_energy_eV=4600, n_pixels=24, pixel_size_um=3200, distance_mm=323)


@pytest.fixture(scope="session")
def molecule() -> Atoms:
    """300 atoms of four elements in an ellipsoid with half axes of 30, 20 and 15 Å."""
    rng = np.random.default_rng(7)
    directions = rng.standard_normal((300, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    positions = directions * rng.uniform(size=(300, 1)) ** (1 / 3) * [30.0, 20.0, 15.0]
    elements = rng.choice(["C", "N", "O", "S"], size=300, p=[0.6, 0.2, 0.18, 0.02])
    return atoms_of(positions - positions.mean(axis=0), elements, rng.uniform(0.5, 1.0, size=300))
