"""Reads and writes values: JSON, timestamps, addresses, display and redaction."""
