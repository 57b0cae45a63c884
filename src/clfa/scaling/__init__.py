"""Work on tables too large for one machine: cut into shards, each done whole or not at all, on a Ray cluster."""
