"""Task x policy x observer: genomes to outcomes."""
