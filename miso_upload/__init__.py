"""Upload months of interaction history to Miso: validated, resumable, accounted for row by row.

from miso_upload import upload

summary = upload("history.jsonl", api_key=key)
assert summary.balanced and summary.exit_code == 0
"""

from __future__ import annotations

from miso_upload.values.version import __version__

TYPE_CHECKING = False  # as in `typing`, which takes longer to import than all of this
if TYPE_CHECKING:
    from typing import Any

    from miso_upload.pipeline.interrupt import StopSignal
    from miso_upload.pipeline.run import check, upload
    from miso_upload.pipeline.settings import Settings
    from miso_upload.report.json import summary_json
    from miso_upload.report.listener import Listener
    from miso_upload.report.summary import Summary
    from miso_upload.report.text import summary_text

__all__ = [
    "Listener",
    "Settings",
    "StopSignal",
    "Summary",
    "__version__",
    "check",
    "summary_json",
    "summary_text",
    "upload",
]

_MODULES = {
    "Listener": "report.listener",
    "Settings": "pipeline.settings",
    "StopSignal": "pipeline.interrupt",
    "Summary": "report.summary",
    "check": "pipeline.run",
    "summary_json": "report.json",
    "summary_text": "report.text",
    "upload": "pipeline.run",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 -- whatever the name stands for
    """Import what the package offers when it is asked for: `--version` does not need all of it."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
