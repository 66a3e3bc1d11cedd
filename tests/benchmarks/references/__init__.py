"""Reference applications: small, and as fast as their kind can be."""
