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
    from miso_upload.api.calls import check, convert, summary_json, summary_text, upload
    from miso_upload.api.settings import Settings
    from miso_upload.delivery.options import DeliveryOptions
    from miso_upload.errors import (
        AccountingError,
        ChangedJobError,
        ChangedSourceError,
        ConfigurationError,
        DamagedSourceError,
        DeliveryError,
        GoneSourceError,
        IncompleteLedgerError,
        InterruptedRunError,
        KeyRefusedError,
        LedgerError,
        LockedError,
        MappingError,
        MisoUploadError,
        NewKeyError,
        NoColumnError,
        OtherExportError,
        OutputError,
        RejectRateError,
        SandboxError,
        SchemaError,
        SourceError,
        TargetError,
        UnprovenSourceError,
        UnreachableSourceError,
        UnreadableSourceError,
        WorkerError,
    )
    from miso_upload.ledger.options import ResumeOptions
    from miso_upload.pipeline.interrupt import StopSignal
    from miso_upload.records.batch import Batch, Receipt
    from miso_upload.records.findings import Findings, Tally
    from miso_upload.records.rejection import Reason, Rejection
    from miso_upload.records.totals import Totals
    from miso_upload.report.listener import Listener
    from miso_upload.report.options import OutputOptions
    from miso_upload.report.recording import RecordingListener
    from miso_upload.report.summary import SourceSummary, Summary
    from miso_upload.sources.options import ReadingOptions
    from miso_upload.transform.options import (
        IdentityOptions,
        MappingOptions,
        ScopeOptions,
        ValidationOptions,
    )

__all__ = [
    "AccountingError",
    "Batch",
    "ChangedJobError",
    "ChangedSourceError",
    "ConfigurationError",
    "DamagedSourceError",
    "DeliveryError",
    "DeliveryOptions",
    "Findings",
    "GoneSourceError",
    "IdentityOptions",
    "IncompleteLedgerError",
    "InterruptedRunError",
    "KeyRefusedError",
    "LedgerError",
    "Listener",
    "LockedError",
    "MappingError",
    "MappingOptions",
    "MisoUploadError",
    "NewKeyError",
    "NoColumnError",
    "OtherExportError",
    "OutputError",
    "OutputOptions",
    "ReadingOptions",
    "Reason",
    "Receipt",
    "RecordingListener",
    "RejectRateError",
    "Rejection",
    "ResumeOptions",
    "SandboxError",
    "SchemaError",
    "ScopeOptions",
    "Settings",
    "SourceError",
    "SourceSummary",
    "StopSignal",
    "Summary",
    "Tally",
    "TargetError",
    "Totals",
    "UnprovenSourceError",
    "UnreachableSourceError",
    "UnreadableSourceError",
    "ValidationOptions",
    "WorkerError",
    "__version__",
    "check",
    "convert",
    "summary_json",
    "summary_text",
    "upload",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "AccountingError": "errors",
        "Batch": "records.batch",
        "ChangedJobError": "errors",
        "ChangedSourceError": "errors",
        "ConfigurationError": "errors",
        "DamagedSourceError": "errors",
        "DeliveryError": "errors",
        "DeliveryOptions": "delivery.options",
        "Findings": "records.findings",
        "GoneSourceError": "errors",
        "IdentityOptions": "transform.options",
        "IncompleteLedgerError": "errors",
        "InterruptedRunError": "errors",
        "KeyRefusedError": "errors",
        "LedgerError": "errors",
        "Listener": "report.listener",
        "LockedError": "errors",
        "MappingError": "errors",
        "MappingOptions": "transform.options",
        "MisoUploadError": "errors",
        "NewKeyError": "errors",
        "NoColumnError": "errors",
        "OtherExportError": "errors",
        "OutputError": "errors",
        "OutputOptions": "report.options",
        "ReadingOptions": "sources.options",
        "Reason": "records.rejection",
        "Receipt": "records.batch",
        "RecordingListener": "report.recording",
        "RejectRateError": "errors",
        "Rejection": "records.rejection",
        "ResumeOptions": "ledger.options",
        "SandboxError": "errors",
        "SchemaError": "errors",
        "ScopeOptions": "transform.options",
        "Settings": "api.settings",
        "SourceError": "errors",
        "SourceSummary": "report.summary",
        "StopSignal": "pipeline.interrupt",
        "Summary": "report.summary",
        "Tally": "records.findings",
        "TargetError": "errors",
        "Totals": "records.totals",
        "UnprovenSourceError": "errors",
        "UnreachableSourceError": "errors",
        "UnreadableSourceError": "errors",
        "ValidationOptions": "transform.options",
        "WorkerError": "errors",
        "check": "api.calls",
        "convert": "api.calls",
        "summary_json": "api.calls",
        "summary_text": "api.calls",
        "upload": "api.calls",
    },
)
