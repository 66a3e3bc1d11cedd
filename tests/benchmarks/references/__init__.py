"""What the house is measured against: small, honest, and as fast as their kind can be."""
