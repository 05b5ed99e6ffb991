"""Makes content keys: 64 keyed bits of the canonical form of each record."""
