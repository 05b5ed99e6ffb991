"""The summary of a run as data, text and JSON; progress; listeners."""
