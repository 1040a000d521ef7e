"""What an episode leaves behind."""
