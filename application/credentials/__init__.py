"""Passwords, and the links by which they are reset."""
