"""Tables of networks that count and name particles."""
