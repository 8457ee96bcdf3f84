"""Plan and experiment to frames in a store."""
