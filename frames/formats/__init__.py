"""Files that other programs read and write: CXI, skopi's HDF5 and Dragonfly's .emc; see docs/guide/formats.md."""
