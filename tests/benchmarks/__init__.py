"""What is measured and never asserted: each module prints its figures. `make bench` runs them all, one by one."""
