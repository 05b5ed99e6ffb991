"""What was sent, noted before and after, and asked for by later runs."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from miso_upload.accounting import Totals
from miso_upload.encoding import decode, encode
from miso_upload.ledger import likeness
from miso_upload.ledger.database import Database
from miso_upload.ledger.entries import Entry, LedgerSpan
from miso_upload.line_ranges import from_ranges, to_ranges
from miso_upload.records import Leftover, Reason, Rejection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from miso_upload.ledger.entries import Settlement
    from miso_upload.records import Batch, Receipt
    from miso_upload.sources import Head

_ENTRY = "id, name, recipe, seen_at, superseded"
_SPAN = "start, end, first_line, digest, line_count, state, unknown_lines, pending_lines"
_TOTALS = ", ".join(f"coalesce(sum({name}), 0)" for name in Totals.names())


class Ledger:
    """The record of what was sent to one target. Only one thread may use it.

    Args:
        path: The file; None keeps a ledger that is gone when it is closed.
        about: What to note in a new ledger about its target, for `status`.

    Raises:
        LedgerError: The file cannot be used. So do all methods.
    """

    def __init__(self, path: Path | None, about: dict[str, str] | None = None) -> None:
        self._db = Database(path, about or {})
        self._run_id = 0

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def about(self) -> dict[str, str]:
        """Return what is noted about the target."""
        return dict(self._db.rows("SELECT name, value FROM about"))

    def begin_work(self, about: dict[str, str]) -> None:
        """Note what the target is now, and that a run is at work; see `Database.begin_work`."""
        self._db.begin_work(about)

    # -- runs --------------------------------------------------------------------------------------

    def begin_run(self, version: str) -> None:
        """Note that a run starts, and that what an earlier one was about to send may be sent."""
        with self._db.transaction():
            self._run_id = self._db.change(
                "INSERT INTO runs (started_at, version) VALUES (?, ?)", (_now(), version)
            )
            self._db.change(
                "UPDATE spans SET state = 'unknown', changed_at = ? WHERE state = 'intended'",
                (_now(),),
            )

    def end_run(self, exit_code: int) -> None:
        """Note how the run ended."""
        with self._db.transaction():
            self._db.change(
                "UPDATE runs SET ended_at = ?, exit_code = ? WHERE id = ?",
                (_now(), exit_code, self._run_id),
            )

    # -- sources -----------------------------------------------------------------------------------

    def recognise(self, head: Head) -> Entry | None:
        """Return the source that begins as `head` does, whatever it is called.

        What an empty source was is not known, so it is recognised in none. A whole source that was
        read as the beginning of another, longer one is recognised as that.
        """
        known = likeness.beginning_alike(self._db, head)
        return self._entry_or_none(likeness.read_until(self._db, head) if known is None else known)

    def resembling(self, head: Head) -> Entry | None:
        """Return a source of which Miso may have rows and most of `head`'s lines are, if any.

        It is asked for heads that are not recognised: such a source was edited, or cut at its
        beginning, and sending all of it would send most of its rows again.
        """
        return self._entry_or_none(likeness.sharing_most_lines(self._db, head))

    def reaching_beyond(self, head: Head) -> Entry | None:
        """Return a source of which `head` is no more than the beginning, if one is known.

        It is asked for heads that are not recognised: such a source was truncated, or is a copy in
        the making.
        """
        return self._entry_or_none(likeness.reaching_beyond(self._db, head))

    def register(self, name: str, head: Head, recipe: str) -> Entry:
        """Take note of a source that was not known."""
        with self._db.transaction():
            source_id = self._db.change(
                "INSERT INTO sources (name, head_length, head_digest, recipe, seen_at, run_id) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    _stored(name), len(head.identity), head.digest(head.sure), recipe, _now(),
                    self._run_id,
                ),
            )  # fmt: skip
            self._note_lines(source_id, head)
        return self._entry_of(source_id)

    def meet_again(self, entry: Entry, name: str, head: Head, recipe: str) -> Entry:
        """Take note that a known source was read again: its name now, and more of its beginning.

        A copy in the making of it says neither.
        """
        (known,) = self._db.row("SELECT head_length FROM sources WHERE id = ?", (entry.id,))
        if known > len(head):
            return entry
        length = max(known, len(head.identity))
        with self._db.transaction():
            self._db.change(
                "UPDATE sources SET name = ?, head_length = ?, head_digest = ?, recipe = ?, "
                "seen_at = ?, run_id = ? WHERE id = ?",
                (
                    _stored(name), length, head.digest(length), recipe, _now(), self._run_id,
                    entry.id,
                ),
            )  # fmt: skip
            self._note_lines(entry.id, head)
        return self._entry_of(entry.id)

    def forget(self, entry: Entry) -> None:
        """Forget a source of which nothing was read after all."""
        with self._db.transaction():
            self._db.change("DELETE FROM sources WHERE id = ?", (entry.id,))
            self._db.change("DELETE FROM head_lines WHERE source_id = ?", (entry.id,))

    def has_proven(self, recipe: str) -> bool:
        """Whether Miso has accepted a row of any source that came under `recipe`."""
        found = self._db.row(
            "SELECT 1 FROM sources JOIN spans ON source_id = id "
            "WHERE recipe = ? AND accepted > 0 LIMIT 1",
            (recipe,),
        )
        return found is not None

    def start_over(self, entry: Entry) -> Entry:
        """Forget every span of a source, but not how many of its rows Miso had accepted."""
        with self._db.transaction():
            self._db.change(
                "UPDATE sources SET superseded = superseded + (SELECT coalesce(sum(accepted), 0) "
                "FROM spans WHERE source_id = id) WHERE id = ?",
                (entry.id,),
            )
            self._db.change("DELETE FROM spans WHERE source_id = ?", (entry.id,))
            self._db.change("DELETE FROM rejections WHERE source_id = ?", (entry.id,))
        return self._entry_of(entry.id)

    def entries(self) -> list[Entry]:
        """Return every source, in the order in which they were first seen."""
        return list(map(_entry, self._db.rows(f"SELECT {_ENTRY} FROM sources ORDER BY id")))

    # -- spans -------------------------------------------------------------------------------------

    def unfinished(self, entry: Entry, *, hold_unknown: bool) -> list[LedgerSpan]:
        """Return the spans that need work, in the order of the source.

        Held unknown records need none, except to find out which they are after a crash.
        """
        unknown = "unknown_lines IS NULL" if hold_unknown else "TRUE"
        rows = self._db.rows(
            f"SELECT {_SPAN} FROM spans WHERE source_id = ? "
            f"AND (state = 'pending' OR (state = 'unknown' AND {unknown})) ORDER BY start",
            (entry.id,),
        )
        return list(map(_span, rows))

    def spans(self, entry: Entry) -> list[LedgerSpan]:
        """Return all spans of a source, in order."""
        rows = self._db.rows(
            f"SELECT {_SPAN} FROM spans WHERE source_id = ? ORDER BY start", (entry.id,)
        )
        return list(map(_span, rows))

    def last_span(self, entry: Entry) -> LedgerSpan | None:
        """Return the span that reaches furthest into a source; None if nothing was read of it."""
        row = self._db.row(
            f"SELECT {_SPAN} FROM spans WHERE source_id = ? ORDER BY start DESC LIMIT 1",
            (entry.id,),
        )
        return _span(row) if row else None

    def intend(self, entry: Entry, batch: Batch) -> None:
        """Note, before the first byte is sent, that the records of `batch` are about to be.

        A span that is sent again keeps what it was, but what was pending may now be sent: should
        this run die, all of its leftover is unknown.
        """
        with self._db.transaction():
            self._enter_span(entry, batch)
            known = self._db.row(
                "SELECT unknown_lines, pending_lines FROM spans "
                "WHERE source_id = ? AND start = ? AND state = 'pending'",
                (entry.id, batch.start),
            )
            if known:
                lines = to_ranges(sorted(_lines(known[0]) | _lines(known[1])))
                self._db.change(
                    "UPDATE spans SET state = 'unknown', unknown = unknown + pending, pending = 0, "
                    "unknown_lines = ?, pending_lines = NULL, changed_at = ? "
                    "WHERE source_id = ? AND start = ?",
                    (lines, _now(), entry.id, batch.start),
                )

    def unseen(
        self, entry: Entry, batch: Batch, receipt: Receipt, leftover: Leftover | None
    ) -> list[Rejection]:
        """Return the rejections in `batch` and `receipt` that the ledger does not have yet.

        Where only a leftover was sent, nothing is said about the other rows of the span.
        """
        found = sorted((*batch.rejections, *receipt.rejections), key=lambda found: found.line)
        if leftover is not None and not leftover.everything:
            meant = leftover.unknown | leftover.pending
            found = [rejection for rejection in found if rejection.line in meant]
        known = {
            line
            for (line,) in self._db.rows(
                "SELECT line FROM rejections WHERE source_id = ? AND start = ?",
                (entry.id, batch.start),
            )
        }
        return [rejection for rejection in found if rejection.line not in known]

    def settle(self, entry: Entry, settlement: Settlement) -> None:
        """Note, in one transaction, what became of the records of a batch that were sent."""
        batch, receipt = settlement.batch, settlement.receipt
        # Counts of a span that was sent in part are added to; those of any other are set.
        kept = int(settlement.partial)
        with self._db.transaction():
            self._enter_span(entry, batch)
            self._db.change_many(
                "INSERT INTO rejections VALUES (?, ?, ?, ?, ?)",
                [
                    (entry.id, batch.start, found.line, found.by, _reasons_text(found.reasons))
                    for found in settlement.rejections
                ],
            )
            self._db.change(
                "UPDATE spans SET state = ?, rows = rows * ? + ?, accepted = accepted * ? + ?, "
                "skipped = skipped * ? + ?, rejected = rejected * ? + ?, unknown = ?, "
                "pending = ?, duplicates = duplicates + ?, unknown_lines = ?, pending_lines = ?, "
                "run_id = ?, changed_at = ? WHERE source_id = ? AND start = ?",
                (
                    settlement.state, kept, 0 if kept else batch.rows, kept, receipt.accepted,
                    kept, settlement.skipped, kept, len(settlement.rejections),
                    len(receipt.unknown), len(receipt.pending), receipt.possible_duplicates,
                    to_ranges(receipt.unknown), to_ranges(receipt.pending),
                    self._run_id, _now(), entry.id, batch.start,
                ),
            )  # fmt: skip
            if settlement.rejects_file is not None:
                self._note_rejects_file(*settlement.rejects_file)

    # -- answers -----------------------------------------------------------------------------------

    def totals(self, entry: Entry) -> Totals:
        """Return what became of all rows of a source, over all runs."""
        row = self._db.row(f"SELECT {_TOTALS} FROM spans WHERE source_id = ?", (entry.id,))
        return Totals(*row)

    def open_unknown(self, entry: Entry) -> int:
        """Return how many records wait for somebody to decide whether they are sent again."""
        (count,) = self._db.row(
            "SELECT coalesce(sum(unknown), 0) FROM spans "
            "WHERE source_id = ? AND state != 'abandoned'",
            (entry.id,),
        )
        return int(count)

    def rejections(self, entry: Entry) -> Iterator[Rejection]:
        """Yield the rejections of a source by line, without their rows, which are not kept here."""
        for line, by, reasons in self._db.each(
            "SELECT line, by, reasons FROM rejections WHERE source_id = ? ORDER BY start, line",
            (entry.id,),
        ):
            yield Rejection(line, _reasons(reasons), None, by=by)

    def spans_with_rejections(self, entry: Entry) -> list[LedgerSpan]:
        """Return the spans of a source in which rows were rejected, in order."""
        rows = self._db.rows(
            f"SELECT {_SPAN} FROM spans WHERE source_id = ? AND rejected > 0 ORDER BY start",
            (entry.id,),
        )
        return list(map(_span, rows))

    def rejects_length(self, path: Path) -> int | None:
        """Return how many bytes of a rejects file are to stay; None if it is not known here.

        What a run that died wrote behind them was not committed. After a run that came to its end
        all of it stays, also what others have added since.
        """
        row = self._db.row(
            "SELECT length, ended_at FROM rejects_files LEFT JOIN runs ON id = run_id "
            "WHERE path = ?",
            (_path(path),),
        )
        if row is None:
            return None
        length, ended_at = row
        return int(length) if ended_at is None else sys.maxsize

    def enter_rejects_file(self, path: Path, length: int) -> None:
        """Note how long a rejects file is before this run adds to it."""
        with self._db.transaction():
            self._note_rejects_file(path, length)

    def forget_rejects_file(self, path: Path) -> None:
        """Forget a rejects file, so that it is begun anew."""
        with self._db.transaction():
            self._db.change("DELETE FROM rejects_files WHERE path = ?", (_path(path),))

    # -- inside ------------------------------------------------------------------------------------

    def _note_lines(self, source_id: int, head: Head) -> None:
        self._db.change_many(
            "INSERT OR IGNORE INTO head_lines VALUES (?, ?)",
            [(line, source_id) for line in head.line_digests()],
        )

    def _enter_span(self, entry: Entry, batch: Batch) -> None:
        """Enter the span of `batch` as intended, unless it is known already."""
        records = len(batch.lines)
        self._db.change(
            "INSERT INTO spans (source_id, start, end, first_line, line_count, digest, state, "
            "rows, unknown, pending, run_id, changed_at) "
            "VALUES (?, ?, ?, ?, ?, ?, 'intended', ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                entry.id, batch.start, batch.end, batch.first_line, batch.line_count,
                batch.digest, batch.rows, records, batch.rows - records, self._run_id, _now(),
            ),
        )  # fmt: skip

    def _note_rejects_file(self, path: Path, length: int) -> None:
        self._db.change(
            "INSERT OR REPLACE INTO rejects_files VALUES (?, ?, ?)",
            (_path(path), length, self._run_id),
        )

    def _entry_or_none(self, source_id: int | None) -> Entry | None:
        return None if source_id is None else self._entry_of(source_id)

    def _entry_of(self, source_id: int) -> Entry:
        return _entry(self._db.row(f"SELECT {_ENTRY} FROM sources WHERE id = ?", (source_id,)))


def _entry(row: Sequence[Any]) -> Entry:
    source_id, name, recipe, seen_at, superseded = row
    known_as = os.fsdecode(name) if isinstance(name, bytes) else name
    return Entry(source_id, known_as, recipe, datetime.fromisoformat(seen_at), superseded)


def _span(row: Sequence[Any]) -> LedgerSpan:
    start, end, first_line, digest, line_count, state, unknown, pending = row
    everything = state == "unknown" and unknown is None
    leftover = Leftover(_lines(unknown), _lines(pending), everything)
    return LedgerSpan(start, end, first_line, digest, line_count, state, leftover)


def _stored(name: str) -> str | bytes:
    """Return a name as SQLite takes it, also where its bytes are not UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name)
    return name


def _path(path: Path) -> str | bytes:
    return _stored(str(path.absolute()))


def _lines(text: str | None) -> frozenset[int]:
    return frozenset(from_ranges(text)) if text else frozenset()


def _reasons_text(reasons: Iterable[Reason]) -> str:
    return encode([[reason.about, reason.problem, reason.shown] for reason in reasons]).decode()


def _reasons(text: str) -> tuple[Reason, ...]:
    return tuple(Reason(*parts) for parts in decode(text))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
