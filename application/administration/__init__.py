"""What admins and operators do to accounts."""
