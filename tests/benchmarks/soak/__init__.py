"""Everything at once, for minutes."""
