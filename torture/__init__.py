"""Trials to destruction: kills, broken inputs, full disks, several processes at once. ``python -m torture -h``."""
