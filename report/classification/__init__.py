"""The page about networks that count and name particles."""
