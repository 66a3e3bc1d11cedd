"""Benchmarks. They assert nothing: each module reports figures, and `make bench` prints them as one table."""
