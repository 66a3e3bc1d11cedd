"""Log in, refresh tokens, log out, and authenticate requests."""
