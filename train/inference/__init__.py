"""Predictions and embeddings of trained networks."""
