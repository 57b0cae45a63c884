"""Long work on tables: done once for every row, interruptible, on one machine or many."""
