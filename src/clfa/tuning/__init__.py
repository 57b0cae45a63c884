"""Search for settings over a recipe's declared space."""
