"""Fixtures of these tests."""

from support.experiment import geometry, molecule, small_geometry

__all__ = ["geometry", "molecule", "small_geometry"]
