"""The Bayes-optimal accuracy."""
