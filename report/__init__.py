"""Pages and figures: they read tables and compute nothing."""
