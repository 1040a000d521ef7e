"""Bodies for genes."""
