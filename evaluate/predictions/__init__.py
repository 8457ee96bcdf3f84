"""Predictions and embeddings as tables."""
