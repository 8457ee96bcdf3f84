"""Crystals: spots, noise and numbers of spots."""
