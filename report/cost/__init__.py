"""The page about what a run took."""
