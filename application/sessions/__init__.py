"""Log in, stay logged in, log out; authenticate a request."""
