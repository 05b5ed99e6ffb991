"""The store of content keys in the ledger."""
