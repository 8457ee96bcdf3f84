"""Frames of serial crystallography whose number of visible spots is known, because it was chosen."""
