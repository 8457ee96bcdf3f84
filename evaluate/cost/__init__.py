"""What a run took, and what another will."""
