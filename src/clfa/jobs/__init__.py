"""Long work cut into pieces, done once each, on one machine or many."""
