"""Frames of a file, asked of a trained network: kept or vetoed."""
