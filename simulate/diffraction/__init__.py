"""From atoms to expected photons."""
