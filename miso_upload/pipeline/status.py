"""Reads the ledgers: the status of each source, and its rejected rows."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.errors import LedgerError, SourceError
from miso_upload.ledger import Ledger
from miso_upload.ledger.lock import Locked
from miso_upload.ledger.migration import checksum_test
from miso_upload.ledger.rejects_file import by_row, rejection_line
from miso_upload.ledger.state_directory import ledger_paths
from miso_upload.pipeline.grouped_jobs import grouper_of
from miso_upload.records.element import line_of
from miso_upload.records.position import path_and_pass
from miso_upload.sources import Source
from miso_upload.values.display import counted, one_line
from miso_upload.values.input_names import STDIN, is_remote, shown_name
from miso_upload.values.json import readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from miso_upload.ledger import LedgerSpan, Scan
    from miso_upload.records.totals import Totals
    from miso_upload.sources import ReadingOptions
    from miso_upload.transform.groups import Grouper


class _Found(NamedTuple):
    """A row as it is read now, or the rows of a group with their lines, and the JSON text."""

    row: Any
    text: bytes | None
    lines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """The status of one source at one target.

    Attributes:
        accepted_at_target: The number of rows that Miso has accepted at the target, from all
            sources.
    """

    name: str
    server: str
    target: str
    last_read: str
    totals: Totals
    accepted_before_restart: int
    accepted_at_target: int

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        document: dict[str, Any] = readable({**asdict(self), "totals": self.totals.as_json()})
        return document


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """The status of one target.

    Attributes:
        accepted: The number of rows that Miso has accepted there, from all sources.
        sources: The status of each requested source.
    """

    server: str
    target: str
    accepted: int
    sources: tuple[Status, ...]


def statuses(state_dir: Path, names: Iterable[str], options: ReadingOptions) -> list[TargetStatus]:
    """Return the status of the sources with these paths or names, by target; all without `names`.

    Raises:
        SourceError: A name is a directory, or neither a file nor a known source.
        LockedError: A run is using a ledger of version 0.1.
    """
    names = list(names)
    for name in names:
        if not is_remote(name) and Path(name).is_dir():
            raise SourceError(
                f"{name}: is a directory; name one or more files, or no file to list all sources"
            )
    found: list[TargetStatus] = []
    missing = dict.fromkeys(names)
    for path in ledger_paths(state_dir):
        with closing(opened(path)) as ledger:
            by_name = {name: matching(ledger, [name], options) for name in names}
            scans = {scan.id: scan for each in by_name.values() for scan in each}
            if scans or not names:
                found.append(_target_status(ledger, scans.values() or ledger.scans.all()))
        missing = {name: None for name in missing if not by_name[name]}
    _check_missing(missing)
    return found


def _target_status(ledger: Ledger, scans: Iterable[Scan]) -> TargetStatus:
    about = ledger.about()
    server, target = about.get("server", "?"), about.get("target", "?")
    accepted = ledger.accepted_total()
    sources = tuple(
        Status(
            _name_with_pass(scan),
            server,
            target,
            scan.seen_at.isoformat(timespec="seconds"),
            ledger.totals(scan),
            scan.superseded,
            accepted,
        )
        for scan in scans
    )
    return TargetStatus(server, target, accepted, sources)


def _name_with_pass(scan: Scan) -> str:
    _, name = path_and_pass(scan.key)
    return f"{scan.name} (--pass-name {name})" if name else scan.name


def _check_missing(unknown: Iterable[str]) -> None:
    """Check that each unknown name is at least a file.

    Raises:
        SourceError: A name is neither a file nor a known source.
    """
    for name in unknown:
        if is_remote(name) or not Path(name).exists():
            raise SourceError(
                f"{shown_name(name)}: no file or uploaded source has this name; to list all "
                "sources, run 'miso-upload status'"
            )


def status_text(found: Iterable[TargetStatus]) -> str:
    """Return the status of sources as text for people."""
    lines = [line for each in found for line in _target_lines(each)]
    return "\n".join(map(one_line, lines)) + "\n" if lines else "nothing has been uploaded yet\n"


def _target_lines(found: TargetStatus) -> Iterator[str]:
    for each in found.sources:
        totals = each.totals
        yield f"{each.name}  ->  {each.server} ({each.target})"
        yield from (f"  {sentence}" for sentence in totals.as_sentences())
        if totals.changed:
            changed = counted(
                totals.changed, "already sent record has", "already sent records have"
            )
            yield f"  {changed} changed since"
        if totals.duplicates:
            duplicates = counted(totals.duplicates, "accepted row")
            yield f"  Miso may have stored {duplicates} more than once"
        if each.accepted_before_restart:
            earlier = counted(each.accepted_before_restart, "more row")
            yield f"  Miso accepted {earlier} before --restart"
        yield f"  last read {each.last_read}"
    if found.accepted or found.sources:
        accepted = counted(found.accepted, "row")
        yield f"Miso has accepted {accepted} in total at {found.server} ({found.target})"


def rejections_again(state_dir: Path, name: str, options: ReadingOptions) -> Iterator[bytes]:
    """Yield the lines of the rejects file for a source, from the ledger that used it last.

    The rows are read from the input again; if it is gone, the lines have reasons but no rows.

    Raises:
        LedgerError: No ledger has the source.
        ChangedSourceError: The input has changed.
    """
    shown = shown_name(name)
    for path in ledger_paths(state_dir):
        with closing(opened(path)) as ledger:
            scans = matching(ledger, [name], options)
            key = path_and_pass(scans[0].key)[0] if scans else ""
            for scan in scans:
                if path_and_pass(scan.key)[0] != key:
                    continue
                if is_remote(name) or Path(name).exists():
                    yield from _rejected_rows(ledger, scan, name, options)
                else:
                    for rejections in by_row(ledger.rejections(scan)):
                        yield rejection_line(shown, *rejections)
            if scans:
                return
    raise LedgerError(
        f"{shown}: no uploaded source has this name; to list all sources, run 'miso-upload status'"
    )


def opened(path: Path) -> Ledger:
    """Open a ledger to read it; migrate a ledger of version 0.1 first."""
    ledger = Ledger.to_read(path)
    if ledger is not None:
        return ledger
    with Locked(path):
        return Ledger(path)


def _rejected_rows(
    ledger: Ledger, scan: Scan, name: str, options: ReadingOptions
) -> Iterator[bytes]:
    with Source(name, options) as source:
        if not scan.keyless:
            source.skipped_only_in(ledger.spans_with_skips(scan))
        spans = iter(ledger.spans_with_rejections(scan))
        span: LedgerSpan | None = None
        rows: dict[int, _Found] = {}
        grouper = grouper_of(scan.job)
        for row_rejections in by_row(ledger.rejections(scan)):
            line = line_of(row_rejections[0].line)
            while span is None or line not in rows:
                following = next(spans, None)
                if following is None:
                    break
                span = following
                rows = _rows(source, span)
                if grouper is not None:
                    rows = _groups(rows, grouper)
            found = rows.get(line, _Found(None, None))
            again = [
                replace(each, row=found.row, text=found.text, lines=found.lines)
                for each in row_rejections
            ]
            yield rejection_line(source.name, *again)


def _rows(source: Source, span: LedgerSpan) -> dict[int, _Found]:
    """Return the rows of a span as they are read now, by line."""
    block = source.reread(span)
    if not span.checksum:
        text = block.data[:200].decode(errors="replace")
        return {span.first_line: _Found(text, None)}
    parts = list(source.format.slices(block))
    parsed = {line: row for part in parts for line, row in zip(part.lines, part.rows, strict=True)}
    texts = source.format.texts(block, parsed)
    return {
        **{line: _Found(row, texts.get(line)) for line, row in parsed.items()},
        **{each.line: _Found(each.row, None) for part in parts for each in part.rejections},
    }


def _groups(rows: dict[int, _Found], grouper: Grouper) -> dict[int, _Found]:
    """Return rows of whole groups and, at the line of the first row of each, all of its rows."""
    together = grouper.together({line: rows[line].row for line in sorted(rows)})
    found = dict(rows)
    for first, lines in together.items():
        if len(lines) > 1 and not isinstance(rows[first].row, str):
            members = [rows[line] for line in lines]
            texts = [each.text for each in members if each.text is not None]
            whole = b"[" + b",".join(texts) + b"]" if len(texts) == len(members) else None
            found[first] = _Found([each.row for each in members], whole, tuple(lines))
    return found


def matching(ledger: Ledger, names: Iterable[str], options: ReadingOptions) -> list[Scan]:
    """Return the scans of the sources at these paths, or with their current content."""
    found: dict[int, Scan] = {}
    for name in names:
        scans = _by_content(ledger, name, options)
        shown = shown_name(name)
        scans = scans or [scan for scan in ledger.scans.all() if scan.name == shown]
        found.update((scan.id, scan) for scan in scans)
    return list(found.values())


def _by_content(ledger: Ledger, name: str, options: ReadingOptions) -> list[Scan]:
    if name == STDIN or (not is_remote(name) and Path(name).is_fifo()):
        return []  # must not be consumed by a status report
    try:
        with Source(name, options) as source:
            key = source.identity.key
            here = ledger.scans.of_key(key)
            # The passes of an input are its own too.
            here += [scan for scan in ledger.scans.all() if path_and_pass(scan.key)[0] == key]
            return here or [
                scan
                for scan in ledger.scans.candidates(source.identity, source.name, source.beginning)
                if source.can_reopen and _is_of(scan, source, ledger)
            ]
    except SourceError:
        return []


def _is_of(scan: Scan, source: Source, ledger: Ledger) -> bool:
    """Return whether a source contains everything that a scan has read."""
    spans = ledger.spans(scan)
    return bool(spans) and source.has_spans(spans, checksum_test(keyless=scan.keyless))
