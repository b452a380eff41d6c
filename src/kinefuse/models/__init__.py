"""Networks: what they see, what they answer, and their shipped weights."""
