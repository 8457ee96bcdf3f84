"""Beam, detector, background: everything that is not the sample."""
