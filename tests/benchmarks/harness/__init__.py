"""Shared by all benchmarks: the service to measure, load generators, and the table of results."""
