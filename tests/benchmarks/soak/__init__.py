"""Mixed load for minutes."""
