"""Uploads interaction history to Miso, validates it, resumes, and accounts for every row.

from miso_upload import upload

summary = upload("history.jsonl", api_key=key)
assert summary.balanced and summary.exit_code == 0
"""

from __future__ import annotations

from miso_upload.values.lazy_exports import lazy_exports
from miso_upload.values.version import __version__

TYPE_CHECKING = False  # as in `typing`, which is slow to import
if TYPE_CHECKING:
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

__getattr__ = lazy_exports(
    __name__,
    {
        "Listener": "report.listener",
        "Settings": "pipeline.settings",
        "StopSignal": "pipeline.interrupt",
        "Summary": "report.summary",
        "check": "pipeline.run",
        "summary_json": "report.json",
        "summary_text": "report.text",
        "upload": "pipeline.run",
    },
)
