"""What the pulse of each pattern hits."""
