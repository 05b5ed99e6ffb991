"""Stores the content keys of sent records in the ledger, and looks records up by them."""
