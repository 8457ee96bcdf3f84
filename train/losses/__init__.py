"""Losses, and the miners of triplets."""
