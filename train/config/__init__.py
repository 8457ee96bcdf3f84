"""How networks are trained, as a run's config says it."""
