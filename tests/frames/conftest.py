"""Fixtures of these tests."""

from support.experiment import geometry, molecule, small_geometry
from support.made.exports import clean, counts, detector, noisy, stored

__all__ = ["clean", "counts", "detector", "geometry", "molecule", "noisy", "small_geometry", "stored"]
