"""The live page: how screening stands, for a browser, whatever its size."""
