"""What is measured and never asserted: each module reports its figures, and `make bench` prints them as one table."""
