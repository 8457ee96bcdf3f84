"""The page about twin networks."""
