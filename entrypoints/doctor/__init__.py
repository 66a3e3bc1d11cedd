"""Looks at everything that the service stands on, and changes nothing: one module a part, each a list of findings."""
