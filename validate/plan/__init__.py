"""Orientations and contacts against statistics."""
