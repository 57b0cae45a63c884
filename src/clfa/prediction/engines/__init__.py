"""What computes a batch's predictions."""
