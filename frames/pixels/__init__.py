"""Frames of any detector as the images that a network takes."""
