"""Predictions, tables, figures and the report."""
