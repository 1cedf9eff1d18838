"""What lies on disk: runs of the harness, and dumps of similarities."""
