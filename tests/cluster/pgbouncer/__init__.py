"""The same house, with PgBouncer before its database."""
