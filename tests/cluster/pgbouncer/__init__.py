"""The same service behind PgBouncer."""
