"""What we are compared with: each does the same work without the core."""
