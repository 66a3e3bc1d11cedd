"""Users manage their own account."""
