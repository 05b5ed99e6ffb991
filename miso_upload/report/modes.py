"""What kinds of runs there are, by the names that the report has for them."""

UPLOAD = "upload"
DRY_RUN = "dry-run"
SERVER_DRY_RUN = "server-dry-run"
SANDBOX = "sandbox"
REMEMBER = "remember"
REMEMBER_DRY_RUN = "remember-dry-run"
FORECASTS = frozenset({DRY_RUN, REMEMBER_DRY_RUN})
"""Those that send and note nothing, and say what would be sent or noted."""
