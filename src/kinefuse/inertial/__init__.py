"""Inertial sensors: what they recorded, when, how they turned and how they are mounted."""
