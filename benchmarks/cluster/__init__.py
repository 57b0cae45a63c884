"""What a cluster of N machines takes for a large job: a simulation from measured shard times."""
