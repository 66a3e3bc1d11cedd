"""Every role of the store in memory: for unit tests, held to the same contract tests as the real ones.

Each method lets others run before it acts, so that they interleave as they would over a network.
"""
