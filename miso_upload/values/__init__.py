"""Values and text: JSON, timestamps, addresses, display and redaction."""
