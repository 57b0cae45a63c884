"""Losses of the targets: one file per idea."""
