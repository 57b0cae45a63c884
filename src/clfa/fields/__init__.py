"""Field definitions shared by recipes, model configurations and training arguments."""
