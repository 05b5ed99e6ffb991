"""Reads compressed and encoded inputs as UTF-8 bytes."""
