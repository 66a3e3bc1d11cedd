"""Invite people to create an account."""
