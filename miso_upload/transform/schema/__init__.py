"""Reads the schema of interactions from JSON Schema."""
