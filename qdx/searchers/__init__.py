"""Who proposes: one paper per file."""
