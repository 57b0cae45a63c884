"""Features of frozen encoders and embeddings of guides for large tables."""
