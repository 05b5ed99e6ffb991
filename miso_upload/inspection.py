"""Looking into the ledgers: what became of each source, and the rejected rows once more."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from miso_upload.encoding import readable
from miso_upload.errors import LedgerError, SourceError
from miso_upload.ledger import Ledger
from miso_upload.locking import Locked
from miso_upload.quoting import one_line
from miso_upload.records import Rejection
from miso_upload.rejects import rejection_line
from miso_upload.sources import Source, is_remote, shown_name
from miso_upload.state import ledger_paths

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from miso_upload.accounting import Totals
    from miso_upload.ledger import LedgerSpan, Scan
    from miso_upload.sources import ReadingOptions


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of one source at one target."""

    name: str
    server: str
    target: str
    last_read: str
    totals: Totals
    accepted_before_restart: int

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        told: dict[str, Any] = readable(asdict(self))
        return told


def statuses(state_dir: Path, names: Iterable[str], options: ReadingOptions) -> list[Status]:
    """Return what is known of the sources called or beginning like `names`; of all if none.

    Raises:
        SourceError: A name is neither a file nor known, or that of a directory.
    """
    names = list(names)
    for name in names:
        if not is_remote(name) and Path(name).is_dir():
            raise SourceError(
                f"{name}: is a directory; name files, or none to see all that was uploaded"
            )
    found: list[Status] = []
    missing = dict.fromkeys(map(shown_name, names))
    for path in ledger_paths(state_dir):
        with closing(opened(path)) as ledger:
            about = ledger.about()
            scans = ledger.scans.all() if not names else matching(ledger, names, options)
            found += [_status(ledger, scan, about) for scan in scans]
        for scan in scans:
            missing.pop(scan.name, None)
    _check_missing(names, missing, found)
    return found


def _status(ledger: Ledger, scan: Scan, about: Mapping[str, str]) -> Status:
    return Status(
        scan.name,
        about.get("server", "?"),
        about.get("target", "?"),
        scan.seen_at.isoformat(timespec="seconds"),
        ledger.totals(scan),
        scan.superseded,
    )


def _check_missing(
    names: Iterable[str], missing: Collection[str], found: Collection[Status]
) -> None:
    """Complain of a name that is neither a file nor known.

    Raises:
        SourceError: There is one.
    """
    for name in names:
        unknown = shown_name(name) in missing
        if unknown and (is_remote(name) or not Path(name).exists()) and not found:
            raise SourceError(
                f"{shown_name(name)}: no such file, and no source of that name is known; "
                "'miso-upload status' lists those that are"
            )


def status_text(found: Iterable[Status]) -> str:
    """Return statuses for people."""
    lines = []
    for each in found:
        totals = each.totals
        lines.append(f"{each.name}  ->  {each.server} ({each.target})")
        lines.append(f"  {totals.as_sentence()}")
        if totals.duplicates:
            lines.append(f"  {totals.duplicates:,} of the accepted may be there more than once")
        if each.accepted_before_restart:
            lines.append(f"  {each.accepted_before_restart:,} more were accepted before --restart")
        lines.append(f"  last read {each.last_read}")
    return (
        "\n".join(map(one_line, lines)) + "\n" if lines else "nothing was uploaded from here yet\n"
    )


def rejections_again(state_dir: Path, name: str, options: ReadingOptions) -> Iterator[bytes]:
    """Yield the lines of the rejects file for a source, from the ledger that used it last.

    The rows are read from the input again; where it is gone, their place is empty.

    Raises:
        LedgerError: No ledger knows the source.
        ChangedSourceError: The input is not what it was.
    """
    shown = shown_name(name)
    for path in ledger_paths(state_dir):
        with closing(opened(path)) as ledger:
            for scan in matching(ledger, [name], options):
                if is_remote(name) or Path(name).exists():
                    yield from _rejected_rows(ledger, scan, name, options)
                else:
                    for rejection in ledger.rejections(scan):
                        yield rejection_line(shown, rejection)
                return
    raise LedgerError(f"{shown}: nothing is known of it; 'miso-upload status' lists what is")


def opened(path: Path) -> Ledger:
    """Open a ledger to read it; one of version 0.1 is brought up to date first."""
    ledger = Ledger.to_read(path)
    if ledger is not None:
        return ledger
    with Locked(path):
        return Ledger(path)


def _rejected_rows(
    ledger: Ledger, scan: Scan, name: str, options: ReadingOptions
) -> Iterator[bytes]:
    with Source(name, options) as source:
        spans = iter(ledger.spans_with_rejections(scan))
        span: LedgerSpan | None = None
        rows: dict[int, tuple[Any, bytes | None]] = {}
        for rejection in ledger.rejections(scan):
            while span is None or rejection.line not in rows:
                following = next(spans, None)
                if following is None:
                    break
                span = following
                rows = _rows(source, span)
            row, text = rows.get(rejection.line, (None, None))
            again = Rejection(rejection.line, rejection.reasons, row, rejection.by, text)
            yield rejection_line(source.name, again)


def _rows(source: Source, span: LedgerSpan) -> dict[int, tuple[Any, bytes | None]]:
    """Return the rows of a span as they are read now, each with its JSON text, by line."""
    block = source.again(span)
    if not span.checksum:
        return {span.first_line: (block.data[:200].decode(errors="replace"), None)}
    parts = list(source.format.slices(block))
    parsed = {line: row for part in parts for line, row in zip(part.lines, part.rows, strict=True)}
    texts = source.format.texts(block, parsed)
    return {
        **{line: (row, texts.get(line)) for line, row in parsed.items()},
        **{each.line: (each.row, None) for part in parts for each in part.rejections},
    }


def matching(ledger: Ledger, names: Iterable[str], options: ReadingOptions) -> list[Scan]:
    """Return the scans of the sources that lie at these paths or have their content now."""
    found: dict[int, Scan] = {}
    for name in names:
        scans = _by_content(ledger, name, options)
        shown = shown_name(name)
        scans = scans or [scan for scan in ledger.scans.all() if scan.name == shown]
        found.update((scan.id, scan) for scan in scans)
    return list(found.values())


def _by_content(ledger: Ledger, name: str, options: ReadingOptions) -> list[Scan]:
    try:
        with Source(name, options) as source:
            identity = source.identity
            here = ledger.scans.of_key(identity.key)
            if here:
                return here
            return [
                scan
                for scan in ledger.scans.candidates(identity, source.name, source.beginning)
                if source.can_reopen and source.has(ledger.spans(scan))
            ]
    except SourceError:
        return []
