"""Numbers from predictions and labels."""
