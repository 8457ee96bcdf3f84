"""Networks that say whether a frame of crystals is a hit."""
