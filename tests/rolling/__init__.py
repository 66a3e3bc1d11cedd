"""One release replaces another under load."""
