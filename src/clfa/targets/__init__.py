"""What a model predicts: classes, sets of classes or numbers."""
