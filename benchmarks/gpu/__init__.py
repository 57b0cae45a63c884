"""``make bench-gpu``: training and prediction of the paper's architecture on a GPU, within eight minutes."""
