"""What the service does: one verb a file. A use case knows the domain and the ports, and nothing else."""
