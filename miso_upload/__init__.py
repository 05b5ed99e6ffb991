"""Uploads interaction history to Miso, validates it, resumes, and accounts for every row.

from miso_upload import upload

summary = upload("history.jsonl", api_key=key)
assert summary.balanced and summary.exit_code == 0
"""

from __future__ import annotations

from miso_upload.values.version import __version__

TYPE_CHECKING = False  # as in `typing`, which is slow to import
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


def __getattr__(name: str) -> Any:  # noqa: ANN401 -- any public name
    """Import a public name when it is first used, so that `--version` starts fast."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
