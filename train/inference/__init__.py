"""What a trained network makes of frames."""
