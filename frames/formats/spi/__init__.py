"""Frames of single particles: CXI as spi-em-class takes it, with beam and mask, and labels of a person."""
