"""Beam and detector against formulas and statistics."""
