"""The page about hit finding in serial crystallography."""
