"""What makes the model faster on a CPU, and nothing else."""
