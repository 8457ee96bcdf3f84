"""The diffraction against sums, formulas and other programs."""
