"""What networks are trained for: classes, embeddings."""
