"""The page about single hits of a virus."""
