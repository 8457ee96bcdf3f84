"""What a detector makes of photons: noise, gain, saturation."""
