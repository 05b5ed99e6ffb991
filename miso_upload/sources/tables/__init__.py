"""Converts column files to JSON Lines."""
