"""From a block to a batch: parse, map, validate, encode, key."""
