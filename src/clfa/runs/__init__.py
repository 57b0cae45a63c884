"""Training and evaluation runs: from a recipe to a run folder."""
