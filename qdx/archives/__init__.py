"""Who is kept."""
