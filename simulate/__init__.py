"""From a structure to a Zarr store of diffraction patterns. Units, frames and words: docs/conventions.md."""
