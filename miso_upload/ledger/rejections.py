"""Stores rejections in the ledger, and the lengths of rejects files."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from miso_upload.ledger.scans import stored_path
from miso_upload.records import Reason, Rejection
from miso_upload.values.json import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from miso_upload.ledger.database import Database


class Rejections:
    """The rejections of all scans. The caller opens the transaction for changes."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, scan_id: int, start: int, rejections: Iterable[Rejection]) -> None:
        """Add rejections to the span that starts at `start`."""
        self._db.change_many(
            "INSERT INTO rejections VALUES (:scan, :start, :line, :by, :reasons)",
            [
                {
                    "scan": scan_id,
                    "start": start,
                    "line": found.line,
                    "by": found.by,
                    "reasons": _reasons_text(found.reasons),
                }
                for found in rejections
            ],
        )

    def lines(self, scan_id: int, start: int) -> set[int]:
        """Return the rejected lines of a span."""
        return {
            line
            for (line,) in self._db.rows(
                "SELECT line FROM rejections WHERE scan_id = :scan AND start = :start",
                scan=scan_id,
                start=start,
            )
        }

    def of(self, scan_id: int) -> Iterator[Rejection]:
        """Yield the rejections of a scan in order of their lines, without the rows."""
        for line, by, reasons in self._db.each(
            "SELECT line, by, reasons FROM rejections WHERE scan_id = :scan ORDER BY start, line",
            scan=scan_id,
        ):
            yield Rejection(line, _reasons(reasons), None, by=by)

    def length_of_file(self, path: Path) -> int | None:
        """Return how many bytes of a rejects file to keep; None if the file is unknown."""
        row = self._db.row(
            "SELECT length, ended_at FROM rejects_files LEFT JOIN runs ON id = run_id "
            "WHERE path = :path",
            path=stored_path(path),
        )
        if row is None:
            return None
        length, ended_at = row
        return int(length) if ended_at is None else sys.maxsize

    def note_file(self, path: Path, length: int, run_id: int) -> None:
        """Store the length of a rejects file."""
        self._db.change(
            "INSERT OR REPLACE INTO rejects_files VALUES (:path, :length, :run)",
            path=stored_path(path),
            length=length,
            run=run_id,
        )

    def forget_file(self, path: Path) -> None:
        """Forget a rejects file."""
        self._db.change("DELETE FROM rejects_files WHERE path = :path", path=stored_path(path))


def _reasons_text(reasons: Iterable[Reason]) -> str:
    return encode([[reason.about, reason.problem, reason.shown] for reason in reasons]).decode()


def _reasons(text: str) -> tuple[Reason, ...]:
    return tuple(Reason(*parts) for parts in decode(text))
