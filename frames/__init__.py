"""What a detector recorded, and the ground that everything stands on: no physics, no networks."""
