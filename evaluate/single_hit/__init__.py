"""What the network that ships (models/single_hit/) reaches on proteins that nobody trained on."""
