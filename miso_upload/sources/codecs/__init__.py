"""Compressed and encoded inputs, read as UTF-8 bytes."""
