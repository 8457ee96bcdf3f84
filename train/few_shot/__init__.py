"""Single or multiple, from embeddings and a handful of labels."""
