"""What `users import` does: reads files of other systems, and imports them a batch at a time."""
