"""Settings that are written once: recipes, configurations and training arguments take their fields from here."""
