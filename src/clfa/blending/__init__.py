"""Blends of models: their weights, and linear models folded into one map."""
