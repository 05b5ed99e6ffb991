"""Looking into the ledgers: what became of each source, and the rejected rows once more."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from miso_upload.assembly import ledger_paths
from miso_upload.encoding import readable
from miso_upload.errors import LedgerError, SourceError
from miso_upload.ledger import Ledger
from miso_upload.quoting import one_line
from miso_upload.records import Rejection
from miso_upload.rejects import rejection_line
from miso_upload.sources import Source, is_remote, shown_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from miso_upload.accounting import Totals
    from miso_upload.ledger import Entry, LedgerSpan
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
    heads = {shown_name(name): _head(name, options) for name in names}
    missing = {
        name
        for name, head in heads.items()
        if head is None and (is_remote(name) or not Path(name).exists())
    }
    found = []
    for path in ledger_paths(state_dir):
        ledger = Ledger(path)
        about = ledger.about()
        entries = ledger.entries() if not names else _matching(ledger, heads)
        found += [
            Status(
                entry.name,
                about.get("server", "?"),
                about.get("target", "?"),
                entry.seen_at.isoformat(timespec="seconds"),
                ledger.totals(entry),
                entry.superseded,
            )
            for entry in entries
        ]
        missing.difference_update(entry.name for entry in entries)
        ledger.close()
    for name in heads:
        if name in missing:
            raise SourceError(
                f"{name}: no such file, and no source of that name is known; 'miso-upload status' "
                "lists those that are"
            )
    return found


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
    heads = {shown: _head(name, options)}
    for path in ledger_paths(state_dir):
        ledger = Ledger(path)
        try:
            for entry in _matching(ledger, heads):
                gone = heads[shown] is None and (is_remote(name) or not Path(name).exists())
                if gone:
                    for rejection in ledger.rejections(entry):
                        yield rejection_line(shown, rejection)
                else:
                    yield from _rejected_rows(ledger, entry, name, options)
                return
        finally:
            ledger.close()
    raise LedgerError(f"{shown}: nothing is known of it; 'miso-upload status' lists what is")


def _rejected_rows(
    ledger: Ledger, entry: Entry, name: str, options: ReadingOptions
) -> Iterator[bytes]:
    with Source(name, options) as source:
        spans = iter(ledger.spans_with_rejections(entry))
        span: LedgerSpan | None = None
        rows: dict[int, tuple[Any, bytes | None]] = {}
        for rejection in ledger.rejections(entry):
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
    if not span.digest:
        return {span.first_line: (block.data[:200].decode(errors="replace"), None)}
    parts = list(source.format.slices(block))
    parsed = {line: row for part in parts for line, row in zip(part.lines, part.rows, strict=True)}
    texts = source.format.texts(block, parsed)
    return {
        **{line: (row, texts.get(line)) for line, row in parsed.items()},
        **{each.line: (each.row, None) for part in parts for each in part.rejections},
    }


def _head(name: str, options: ReadingOptions) -> Any:  # noqa: ANN401 -- a Head, or None
    try:
        with Source(name, options) as source:
            return source.head
    except SourceError:
        return None


def _matching(ledger: Ledger, heads: dict[str, Any]) -> list[Entry]:
    """Return the entries that a file's content, or else its name, points at."""
    found: dict[int, Entry] = {}
    for name, head in heads.items():
        known = ledger.recognise(head) if head is not None else None
        named = (
            [known] if known else [e for e in ledger.entries() if e.name == name and head is None]
        )
        found.update((entry.id, entry) for entry in named)
    return list(found.values())
