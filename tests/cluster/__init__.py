"""Latchkey behind what stands between it and its engines elsewhere: Sentinels, clusters, PgBouncer."""
