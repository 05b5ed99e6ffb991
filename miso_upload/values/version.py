"""The version of the program, which a ledger and a request name too."""

__version__ = "0.1.0"
