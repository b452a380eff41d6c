"""The study of noise against accuracy: every method under every kind of noise, as one command."""
