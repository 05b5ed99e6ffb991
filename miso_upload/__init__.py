"""Upload months of interaction history to Miso: validated, resumable, accounted for row by row."""

__version__ = "0.1.0"
