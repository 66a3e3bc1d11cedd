"""Passwords and reset links."""
