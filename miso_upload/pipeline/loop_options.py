"""How the loop behaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from miso_upload.ledger.content_keys.reader import open_reader
from miso_upload.pipeline.resume import ResumeOptions
from miso_upload.pipeline.selection import SelectingOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from miso_upload.ledger import Ledger
    from miso_upload.ledger.content_keys.reader import Reader
    from miso_upload.records.keyed_records import KeyedRecords


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """How the loop behaves.

    Attributes:
        concurrency: Deliveries at once; 0 delivers each batch before the next is read.
        max_reject_rate: The share of rejected rows beyond which the run stops; 1 never stops.
        stops_on_junk: Whether it stops at all, or only says so (a dry run).
        suggests_preset: Where it stops, it names a preset that the rows look like.
        abandon_unknown: Unknown records are not sent again, by no later run either.
        resume: How sources are resumed.
        selecting: What is sent although Miso may have it.
        remembers: Nothing is sent, and all records are noted as already sent.
        forecasts: Nothing is sent; what would be sent counts as sent for the inputs that follow.
        after_signal: What to say of going on after a signal.
        patience: How long to wait for deliveries when the run is interrupted, in seconds.
    """

    concurrency: int = 4
    max_reject_rate: float = 0.1
    stops_on_junk: bool = True
    suggests_preset: bool = False
    abandon_unknown: bool = False
    resume: ResumeOptions = field(default_factory=ResumeOptions)
    selecting: SelectingOptions = field(default_factory=SelectingOptions)
    remembers: bool = False
    forecasts: bool = False
    after_signal: str = ""
    patience: float = 30.0


def reader_of(
    ledger: Ledger,
    options: PipelineOptions,
    key: str,
    scan: int = 0,
    met: KeyedRecords | None = None,
) -> tuple[Reader, Callable[[int], str]]:
    """Return what looks the records of a source up in a ledger, and what names the finds.

    Args:
        ledger: Knows what was sent.
        options: Say which scans count for nothing.
        key: The path or URL of the source.
        scan: Its scan; 0 if the ledger has none.
        met: Records of the scan that were already sent when it was read before.
    """
    ignored = frozenset[int]()
    if options.resume.restart:
        ignored = ledger.sent_before()
    elif options.selecting.send_already_sent:
        ignored = ledger.scans.of_other_sources(key)
    return open_reader(ledger.contents, scan, met, ignored), ledger.scans.name_of
