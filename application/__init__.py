"""Use cases, one verb a file. A use case imports only the domain and the ports."""
