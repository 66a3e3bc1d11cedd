"""What happens when parts of the house are really killed, cut off, filled up or lied to. `make test-faults`."""
