"""Estimators against known motions: what they are tested on, how it is scored, and what they must at least beat."""
