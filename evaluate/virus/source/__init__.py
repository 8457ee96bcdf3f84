"""What the frames of a run are: a simulation of them, or files of a beamline with labels of a person."""
