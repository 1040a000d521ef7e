"""Observation to point in behaviour space."""
