"""The modes of a run, as the report names them."""

UPLOAD = "upload"
DRY_RUN = "dry-run"
SERVER_DRY_RUN = "server-dry-run"
SANDBOX = "sandbox"
REMEMBER = "remember"
REMEMBER_DRY_RUN = "remember-dry-run"
CONVERT = "convert"
FORECASTS = frozenset({DRY_RUN, REMEMBER_DRY_RUN, CONVERT})
"""Modes that send and note nothing, and report what would be sent or noted."""
