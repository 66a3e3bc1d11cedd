"""The repositories in memory, for unit tests. They pass the same contract tests as the real adapters.

Each method yields to other tasks before it acts, so that they interleave as they would over a network.
"""
