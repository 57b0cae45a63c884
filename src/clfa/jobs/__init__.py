"""Resumable jobs that process each row of a table exactly once, on one machine or a cluster."""
