"""Genes to policy parameters."""
