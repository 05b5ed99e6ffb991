"""The ledger: which stretches of which sources were sent, and what became of every row.

One SQLite file for each target. A span of a source goes through these states:

    intended ──▶ settled     every row is accepted, rejected or skipped
        │  └───▶ unknown     Miso may have taken some rows or not
        │  └───▶ pending     some rows were certainly not taken and are sent by the next run
        └──────▶ abandoned   unknown, and the user chose not to send again

`intended` is on disk before the first byte is sent, so what a crash leaves behind in that state may
have been sent: the next run finds it as unknown. Spans of a source are without gaps, so whatever
lies behind the last of them was never sent.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from miso_upload.accounting import Totals
from miso_upload.encoding import decode, encode
from miso_upload.errors import LedgerError
from miso_upload.line_ranges import from_ranges, to_ranges
from miso_upload.records import Leftover, Reason, Rejection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from miso_upload.records import Batch, Receipt
    from miso_upload.sources import Head

VERSION = 1

_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, started_at TEXT NOT NULL, ended_at TEXT, exit_code INTEGER,
    version TEXT NOT NULL
);
CREATE TABLE sources (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL,
    head_length INTEGER NOT NULL, head_digest BLOB NOT NULL,
    recipe TEXT NOT NULL, seen_at TEXT NOT NULL, run_id INTEGER NOT NULL,
    superseded INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE rejects_files (path TEXT PRIMARY KEY, length INTEGER NOT NULL);
CREATE TABLE spans (
    source_id INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL,
    first_line INTEGER NOT NULL, line_count INTEGER NOT NULL, digest BLOB NOT NULL,
    state TEXT NOT NULL, rows INTEGER NOT NULL, records INTEGER NOT NULL,
    accepted INTEGER NOT NULL DEFAULT 0, rejected INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0, unknown INTEGER NOT NULL DEFAULT 0,
    pending INTEGER NOT NULL DEFAULT 0, duplicates INTEGER NOT NULL DEFAULT 0,
    unknown_lines TEXT, pending_lines TEXT, run_id INTEGER NOT NULL, changed_at TEXT NOT NULL,
    PRIMARY KEY (source_id, start)
) WITHOUT ROWID;
CREATE TABLE rejections (
    source_id INTEGER NOT NULL, start INTEGER NOT NULL, line INTEGER NOT NULL,
    by TEXT NOT NULL, reasons TEXT NOT NULL,
    PRIMARY KEY (source_id, start, line)
) WITHOUT ROWID;
CREATE INDEX open_spans ON spans (source_id, state) WHERE state != 'settled';
"""

_TOTALS = ", ".join(f"coalesce(sum({name}), 0)" for name in Totals.names())


@dataclass(frozen=True, slots=True)
class Entry:
    """A source as the ledger knows it.

    Attributes:
        superseded: Rows that Miso had accepted before the source was started over.
    """

    id: int
    name: str
    recipe: str
    seen_at: datetime
    superseded: int = 0


@dataclass(frozen=True, slots=True)
class LedgerSpan:
    """A span as the ledger knows it."""

    start: int
    end: int
    first_line: int
    line_count: int
    digest: bytes
    state: str
    leftover: Leftover


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a batch, ready to be noted.

    Attributes:
        batch: The span, transformed.
        receipt: What Miso answered.
        leftover: Which records of a known span were sent; None if it was all of a new one.
        rejections: Those that are new (see `Ledger.unseen`).
        abandon_unknown: Unknown records will not be sent again.
        rejects_file: The rejects file and its length with these rejections in it.
    """

    batch: Batch
    receipt: Receipt
    leftover: Leftover | None
    rejections: Sequence[Rejection]
    abandon_unknown: bool = False
    rejects_file: tuple[Path, int] | None = None

    @property
    def state(self) -> str:
        """Return the state that the span is in now."""
        if self.receipt.pending:
            return "pending"
        if self.receipt.unknown:
            return "abandoned" if self.abandon_unknown else "unknown"
        return "settled"


class Ledger:
    """The record of what was sent to one target. Only one thread may use it.

    Args:
        path: The file; None keeps a ledger that is gone when it is closed.
        about: What to note in a new ledger about its target, for `status`.

    Raises:
        LedgerError: The file cannot be used.
    """

    def __init__(self, path: Path | None, about: dict[str, str] | None = None) -> None:
        self.path = path
        self._run_id = 0
        with self._guarded():
            if path is not None:
                _create_private(path)
            # An empty name is SQLite's own for a temporary file, so even this one fits any input.
            self._db = sqlite3.connect(path or "", isolation_level=None, timeout=30)
            self._prepare(about or {})

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def about(self) -> dict[str, str]:
        """Return what is noted about the target."""
        with self._guarded():
            return dict(self._db.execute("SELECT name, value FROM about"))

    # -- runs --------------------------------------------------------------------------------------

    def begin_run(self, version: str) -> None:
        """Note that a run starts, and that what an earlier one was about to send may be sent."""
        with self._transaction():
            cursor = self._db.execute(
                "INSERT INTO runs (started_at, version) VALUES (?, ?)", (_now(), version)
            )
            self._run_id = cursor.lastrowid or 0
            self._db.execute(
                "UPDATE spans SET state = 'unknown', unknown = records, pending = rows - records, "
                "changed_at = ? WHERE state = 'intended'",
                (_now(),),
            )

    def end_run(self, exit_code: int) -> None:
        """Note how the run ended."""
        with self._transaction():
            self._db.execute(
                "UPDATE runs SET ended_at = ?, exit_code = ? WHERE id = ?",
                (_now(), exit_code, self._run_id),
            )

    # -- sources -----------------------------------------------------------------------------------

    def recognise(self, head: Head) -> Entry | None:
        """Return the source that begins as `head` does, whatever it is called."""
        with self._guarded():
            lengths = self._db.execute(
                "SELECT DISTINCT head_length FROM sources WHERE head_length <= ? "
                "ORDER BY head_length DESC",
                (len(head),),
            ).fetchall()
            for (length,) in lengths:
                found = self._db.execute(
                    f"SELECT {_ENTRY} FROM sources WHERE head_length = ? AND head_digest = ?",
                    (length, head.digest(length)),
                ).fetchone()
                if found:
                    return _entry(found)
        return None

    def register(self, name: str, head: Head, recipe: str) -> Entry:
        """Take note of a source that was not known."""
        with self._transaction():
            cursor = self._db.execute(
                "INSERT INTO sources (name, head_length, head_digest, recipe, seen_at, run_id) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (name, len(head), head.digest(), recipe, _now(), self._run_id),
            )
        return self._entry_of(cursor.lastrowid or 0)

    def meet_again(self, entry: Entry, name: str, head: Head, recipe: str) -> Entry:
        """Take note that a known source was read again: its name now, and more of its beginning."""
        with self._transaction():
            self._db.execute(
                "UPDATE sources SET name = ?, head_length = ?, head_digest = ?, recipe = ?, "
                "seen_at = ?, run_id = ? WHERE id = ?",
                (name, len(head), head.digest(), recipe, _now(), self._run_id, entry.id),
            )
        return self._entry_of(entry.id)

    def start_over(self, entry: Entry) -> None:
        """Forget every span of a source, but not how many of its rows Miso had accepted."""
        with self._transaction():
            self._db.execute(
                "UPDATE sources SET superseded = superseded + (SELECT coalesce(sum(accepted), 0) "
                "FROM spans WHERE source_id = id) WHERE id = ?",
                (entry.id,),
            )
            self._db.execute("DELETE FROM spans WHERE source_id = ?", (entry.id,))
            self._db.execute("DELETE FROM rejections WHERE source_id = ?", (entry.id,))

    def entries(self) -> list[Entry]:
        """Return every source, in the order in which they were first seen."""
        with self._guarded():
            rows = self._db.execute(f"SELECT {_ENTRY} FROM sources ORDER BY id").fetchall()
        return [_entry(row) for row in rows]

    # -- spans -------------------------------------------------------------------------------------

    def unfinished(self, entry: Entry, *, hold_unknown: bool) -> list[LedgerSpan]:
        """Return the spans that need work, in the order of the source.

        Held unknown records need none, except to find out which they are after a crash.
        """
        unknown = "unknown_lines IS NULL" if hold_unknown else "TRUE"
        with self._guarded():
            rows = self._db.execute(
                f"SELECT {_SPAN} FROM spans WHERE source_id = ? "
                f"AND (state = 'pending' OR (state = 'unknown' AND {unknown})) ORDER BY start",
                (entry.id,),
            ).fetchall()
        return [_span(row) for row in rows]

    def last_span(self, entry: Entry) -> LedgerSpan | None:
        """Return the span that reaches furthest into a source; None if nothing was read of it."""
        with self._guarded():
            row = self._db.execute(
                f"SELECT {_SPAN} FROM spans WHERE source_id = ? ORDER BY start DESC LIMIT 1",
                (entry.id,),
            ).fetchone()
        return _span(row) if row else None

    def intend(self, entry: Entry, batch: Batch) -> None:
        """Note, before the first byte is sent, that the records of `batch` are about to be.

        A span that is sent again keeps what it was: should this run die, its leftover was perhaps
        sent, and that is what it says already if it was unknown.
        """
        with self._transaction():
            self._enter_span(entry, batch)
            # Pending records of a span that is sent again are pending no longer.
            row = self._db.execute(
                "SELECT unknown_lines, pending_lines FROM spans "
                "WHERE source_id = ? AND start = ? AND state = 'pending'",
                (entry.id, batch.start),
            ).fetchone()
            if row:
                lines = to_ranges(sorted(_lines(row[0]) | _lines(row[1])))
                self._db.execute(
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
        with self._guarded():
            known = {
                line
                for (line,) in self._db.execute(
                    "SELECT line FROM rejections WHERE source_id = ? AND start = ?",
                    (entry.id, batch.start),
                )
            }
        return [rejection for rejection in found if rejection.line not in known]

    def settle(self, entry: Entry, settlement: Settlement) -> None:
        """Note, in one transaction, what became of the records of a batch that were sent."""
        batch, receipt, leftover = settlement.batch, settlement.receipt, settlement.leftover
        partly = leftover is not None and not leftover.everything
        skipped = _skipped(batch, leftover) if leftover and partly else batch.skipped
        # Counts of a span that was sent in part are added to; those of any other are set.
        kept = int(partly)
        with self._transaction():
            self._enter_span(entry, batch)
            self._db.executemany(
                "INSERT INTO rejections VALUES (?, ?, ?, ?, ?)",
                [
                    (entry.id, batch.start, found.line, found.by, _reasons_text(found.reasons))
                    for found in settlement.rejections
                ],
            )
            self._db.execute(
                "UPDATE spans SET state = ?, accepted = accepted * ? + ?, "
                "skipped = skipped * ? + ?, rejected = rejected * ? + ?, unknown = ?, "
                "pending = ?, duplicates = duplicates + ?, unknown_lines = ?, pending_lines = ?, "
                "run_id = ?, changed_at = ? WHERE source_id = ? AND start = ?",
                (
                    settlement.state, kept, receipt.accepted, kept, skipped,
                    kept, len(settlement.rejections), len(receipt.unknown), len(receipt.pending),
                    receipt.possible_duplicates,
                    to_ranges(receipt.unknown), to_ranges(receipt.pending),
                    self._run_id, _now(), entry.id, batch.start,
                ),
            )  # fmt: skip
            if settlement.rejects_file is not None:
                path, length = settlement.rejects_file
                self._db.execute(
                    "INSERT OR REPLACE INTO rejects_files VALUES (?, ?)",
                    (str(path.absolute()), length),
                )

    # -- answers -----------------------------------------------------------------------------------

    def totals(self, entry: Entry) -> Totals:
        """Return what became of all rows of a source, over all runs."""
        with self._guarded():
            row = self._db.execute(
                f"SELECT {_TOTALS} FROM spans WHERE source_id = ?", (entry.id,)
            ).fetchone()
        return Totals(*row)

    def open_unknown(self, entry: Entry) -> int:
        """Return how many records wait for somebody to decide whether they are sent again."""
        with self._guarded():
            (count,) = self._db.execute(
                "SELECT coalesce(sum(unknown), 0) FROM spans "
                "WHERE source_id = ? AND state IN ('unknown', 'pending')",
                (entry.id,),
            ).fetchone()
        return int(count)

    def rejections(self, entry: Entry) -> Iterator[Rejection]:
        """Yield the rejections of a source by line, without their rows, which are not kept here."""
        with self._guarded():
            for line, by, reasons in self._db.execute(
                "SELECT line, by, reasons FROM rejections WHERE source_id = ? ORDER BY start, line",
                (entry.id,),
            ):
                yield Rejection(line, _reasons(reasons), None, by=by)

    def spans_with_rejections(self, entry: Entry) -> list[LedgerSpan]:
        """Return the spans of a source in which rows were rejected, in order."""
        with self._guarded():
            rows = self._db.execute(
                f"SELECT {_SPAN} FROM spans WHERE source_id = ? AND rejected > 0 ORDER BY start",
                (entry.id,),
            ).fetchall()
        return [_span(row) for row in rows]

    def rejects_length(self, path: Path) -> int | None:
        """Return how long a rejects file was when it was last written for this target."""
        with self._guarded():
            row = self._db.execute(
                "SELECT length FROM rejects_files WHERE path = ?", (str(path.absolute()),)
            ).fetchone()
        return row[0] if row else None

    def forget_rejects_file(self, path: Path) -> None:
        """Forget a rejects file, so that it is begun anew."""
        with self._transaction():
            self._db.execute("DELETE FROM rejects_files WHERE path = ?", (str(path.absolute()),))

    # -- inside ------------------------------------------------------------------------------------

    def _enter_span(self, entry: Entry, batch: Batch) -> None:
        """Enter the span of `batch` as intended, unless it is known already."""
        self._db.execute(
            "INSERT INTO spans (source_id, start, end, first_line, line_count, digest, state, "
            "rows, records, pending, run_id, changed_at) "
            "VALUES (?, ?, ?, ?, ?, ?, 'intended', ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                entry.id, batch.start, batch.end, batch.first_line, batch.line_count,
                batch.digest, batch.rows, len(batch.lines), batch.rows, self._run_id, _now(),
            ),
        )  # fmt: skip

    def _entry_of(self, source_id: int) -> Entry:
        row = self._db.execute(
            f"SELECT {_ENTRY} FROM sources WHERE id = ?", (source_id,)
        ).fetchone()
        return _entry(row)

    def _prepare(self, about: dict[str, str]) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        # FULL: an intent must be on disk before the first byte is sent, power cuts included.
        self._db.execute(f"PRAGMA synchronous = {'FULL' if self.path else 'OFF'}")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise LedgerError(
                f"the ledger {self.path} was written by a newer miso-upload; use that one"
            )
        if version == 0:
            with self._transaction():
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
                self._db.executemany("INSERT INTO about VALUES (?, ?)", about.items())
                self._db.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._guarded():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            where = f"the ledger {self.path}" if self.path else "the temporary ledger"
            raise LedgerError(
                f"{where} cannot be used: {error}. Nothing is lost: free some space or mend the "
                "permissions and run the same command again; a ledger that is damaged beyond "
                "reading can be moved away, but then rows that Miso has would be sent again"
            ) from None


_ENTRY = "id, name, recipe, seen_at, superseded"
_SPAN = "start, end, first_line, line_count, digest, state, unknown_lines, pending_lines"


def _entry(row: Sequence[Any]) -> Entry:
    source_id, name, recipe, seen_at, *rest = row
    return Entry(source_id, name, recipe, datetime.fromisoformat(seen_at), *rest)


def _span(row: Sequence[Any]) -> LedgerSpan:
    start, end, first_line, line_count, digest, state, unknown, pending = row
    everything = state == "unknown" and unknown is None
    leftover = Leftover(_lines(unknown), _lines(pending), everything)
    return LedgerSpan(start, end, first_line, line_count, digest, state, leftover)


def _lines(text: str | None) -> frozenset[int]:
    return frozenset(from_ranges(text)) if text else frozenset()


def _skipped(batch: Batch, leftover: Leftover) -> int:
    """Return how many leftover rows became no record this time: the mapping was changed since."""
    meant = leftover.unknown | leftover.pending
    records = len(meant.intersection(batch.lines))
    rejected = sum(rejection.line in meant for rejection in batch.rejections)
    return len(meant) - records - rejected


def _reasons_text(reasons: Iterable[Reason]) -> str:
    return encode([[reason.about, reason.problem, reason.shown] for reason in reasons]).decode()


def _reasons(text: str) -> tuple[Reason, ...]:
    return tuple(Reason(*parts) for parts in decode(text))


def _create_private(path: Path) -> None:
    """Create the file, readable by its owner only, before anything is written to it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
