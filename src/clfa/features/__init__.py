"""Features of frozen encoders and guides for large tables."""
