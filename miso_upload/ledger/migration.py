"""Migrates a ledger of version 0.1, which has positions but no content keys.

Its sources keep their spans and counts. The first run that proves a source to be unchanged adds its
content keys (see `pipeline.resume`).
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from miso_upload.errors import LedgerError
from miso_upload.values.hashing import checksum, is_checksum

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from miso_upload.ledger.database import Database

KEPT_SUFFIX = ".v1"
_OLD = ("sources", "head_lines", "rejects_files", "spans", "rejections")


def migrate(db: Database, create: Callable[[Database], None]) -> None:
    """Copy a ledger of version 0.1 to a file beside it, and migrate it to this version.

    Raises:
        LedgerError: The copy cannot be written, or the ledger cannot be used.
    """
    if db.path is not None:
        _keep_copy(db.path)
    with db.transaction():
        for name in _OLD:
            db.change(f"ALTER TABLE {name} RENAME TO old_{name}")
        db.change("ALTER TABLE about RENAME TO old_about")
        db.change("ALTER TABLE runs RENAME TO old_runs")
        db.change("DROP INDEX IF EXISTS open_spans")
        create(db)
        for statement in _COPY.split(";"):
            db.change(statement)
        for name in (*_OLD, "about", "runs"):
            db.change(f"DROP TABLE old_{name}")


def old_digest(data: bytes) -> bytes:
    """Return the digest that version 0.1 stored for some bytes."""
    return hashlib.sha256(data).digest()[:16]


def checksum_test(*, keyless: bool) -> Callable[[bytes, bytes], bool]:
    """Return the function that compares bytes with a span's checksum.

    A keyless scan of version 0.1 has both old and new checksums until its content keys are added.
    """
    return _is_old_or_new_checksum if keyless else is_checksum


def _is_old_or_new_checksum(data: bytes, expected: bytes) -> bool:
    return expected in (checksum(data), old_digest(data))


def _keep_copy(path: Path) -> None:
    kept = path.with_name(path.name + KEPT_SUFFIX)
    try:
        # A separate connection reads all committed data, including the journal.
        with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(kept)) as copy:
            old.backup(copy)
        kept.chmod(0o600)
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(
            f"The ledger {path} must be migrated to this version, but its copy {kept} cannot be "
            f"written ({error}). Free some space or fix the permissions, then rerun the command."
        ) from None


_COPY = """
CREATE TABLE old_heads (
    scan_id INTEGER PRIMARY KEY, length INTEGER NOT NULL, digest BLOB NOT NULL
);
INSERT INTO about SELECT name, value FROM old_about;
INSERT INTO runs SELECT id, started_at, ended_at, exit_code, version FROM old_runs;
INSERT OR IGNORE INTO jobs (text) SELECT DISTINCT recipe FROM old_sources;
INSERT INTO sources (id, key, scan_id, seen_at, superseded)
    SELECT id, name, id, seen_at, superseded FROM old_sources;
INSERT INTO scans (id, source_id, name, job_id, head, keyless, run_id)
    SELECT old.id, old.id, old.name, jobs.id, NULL, 1, old.run_id
    FROM old_sources old JOIN jobs ON jobs.text = old.recipe;
INSERT INTO old_heads SELECT id, head_length, head_digest FROM old_sources;
INSERT INTO spans (scan_id, start, end, first_line, line_count, checksum, state, rows, accepted,
        rejected, skipped, unknown, pending, duplicates, unknown_lines, pending_lines, run_id,
        changed_at)
    SELECT source_id, start, end, first_line, line_count, digest, state, rows, accepted, rejected,
        skipped, unknown, pending, duplicates, unknown_lines, pending_lines, run_id, changed_at
    FROM old_spans;
INSERT INTO rejections SELECT source_id, start, line, by, reasons FROM old_rejections;
INSERT INTO rejects_files SELECT path, length, run_id FROM old_rejects_files
"""
