"""Fault injection: parts are killed, disconnected, filled up or misled. `make test-faults`."""
