"""What users see and change of their own account."""
