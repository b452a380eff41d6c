"""Training of the networks on motion capture."""
