"""The stages joined: prepare, train, evaluate, predict."""
