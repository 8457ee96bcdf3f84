"""Hit finding in serial crystallography, judged."""
