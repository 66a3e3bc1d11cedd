"""Checks everything that the service needs, without changes. Each module checks one part and yields findings."""
