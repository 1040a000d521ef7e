"""Frozen baselines: simple implementations that are timed against and never tuned."""
