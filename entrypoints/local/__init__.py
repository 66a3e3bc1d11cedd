"""What keeps processes of our own on one machine: for `make run` and for the tests."""
