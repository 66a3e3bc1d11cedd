"""What every measurement needs: a house to measure, something that asks it, and a table to report to."""
