"""What clfa costs: times, memory, their floors, their growth, and the authors' code beside it in the same run."""
