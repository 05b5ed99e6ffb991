"""Turns a block into a batch: parse, map, validate, encode, key."""
