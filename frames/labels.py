"""What labels mean wherever patterns lie."""

NO_STRUCTURE = "none"
"""What a shot without a particle is called in place of a structure's id."""


SPLITS = ("train", "validation", "test")
