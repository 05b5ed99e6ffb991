"""Column files, read as JSON Lines."""
