"""What is learned: classes, embeddings."""
