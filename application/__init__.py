"""Use cases, one verb a file. A use case imports only the domain and the ports.

Its docstring lists the refusals that it raises, except `unavailable` and `overloaded`.
"""
