"""How well hits of crystals are found."""
