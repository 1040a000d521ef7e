"""The nouns and the interfaces; numpy only."""
