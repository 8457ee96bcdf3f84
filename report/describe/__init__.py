"""What was simulated, in words and numbers."""
