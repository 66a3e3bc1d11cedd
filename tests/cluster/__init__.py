"""Latchkey with Redis Sentinel, Redis Cluster and PgBouncer."""
