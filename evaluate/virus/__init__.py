"""Single hits of one virus among everything else: methods, what they select, and what that does to the science."""
