"""A simulated beamline: frames of a dataset, streamed as an experiment would, so that a beam time can be rehearsed."""
