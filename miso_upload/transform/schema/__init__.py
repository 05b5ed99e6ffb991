"""The schema of interactions, read from JSON Schema."""
