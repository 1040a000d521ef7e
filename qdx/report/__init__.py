"""Pictures and tables, read from the run directory."""
