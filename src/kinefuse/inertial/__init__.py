"""Inertial sensors: sanity checks of what they recorded."""
