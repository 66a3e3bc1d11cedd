"""Manage accounts, as a moderator, admin or operator."""
