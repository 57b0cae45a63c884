"""A trained model on new posts."""
