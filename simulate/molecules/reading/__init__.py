"""What a structure file says, checked before it is believed: `structures.py` beside this folder makes atoms of it."""
