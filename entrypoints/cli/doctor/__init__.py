"""Checks everything that the service needs, and changes nothing: one module a part, each yields findings."""
