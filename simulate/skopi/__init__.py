"""The one door to skopi."""
