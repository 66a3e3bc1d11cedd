"""What operators can ask for: one module a group of commands, each with a `register`."""
