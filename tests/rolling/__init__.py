"""One release takes over from another while people go on."""
