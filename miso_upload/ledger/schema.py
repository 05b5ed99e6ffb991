"""Creates the tables of a new ledger, and migrates an old ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.errors import LedgerError
from miso_upload.ledger.content_keys import store as contents
from miso_upload.ledger.database import named_about
from miso_upload.ledger.migration import migrate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from miso_upload.ledger.database import Database

VERSION = 2
_VERSION_WITHOUT_CONTENT_KEYS = 1

_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, started_at TEXT NOT NULL, ended_at TEXT, exit_code INTEGER,
    version TEXT NOT NULL
);
CREATE TABLE sources (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, scan_id INTEGER NOT NULL, seen_at TEXT NOT NULL,
    superseded INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX sources_by_key ON sources (key);
CREATE TABLE jobs (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE scans (
    id INTEGER PRIMARY KEY AUTOINCREMENT, source_id INTEGER NOT NULL, name TEXT NOT NULL,
    job_id INTEGER NOT NULL, file TEXT, state TEXT, head BLOB, preamble BLOB, compressed TEXT,
    complete INTEGER NOT NULL DEFAULT 0, keyless INTEGER NOT NULL DEFAULT 0,
    accepted_before INTEGER NOT NULL DEFAULT 0, duplicates_before INTEGER NOT NULL DEFAULT 0,
    forgotten INTEGER NOT NULL DEFAULT 0, covered_by INTEGER,
    mixed INTEGER NOT NULL DEFAULT 0, outside TEXT NOT NULL DEFAULT '', run_id INTEGER NOT NULL
);
CREATE INDEX scans_by_file ON scans (file) WHERE file IS NOT NULL;
CREATE INDEX scans_by_head ON scans (head) WHERE head IS NOT NULL;
CREATE INDEX scans_by_source ON scans (source_id);
CREATE TABLE rejects_files (
    path TEXT PRIMARY KEY, length INTEGER NOT NULL, run_id INTEGER NOT NULL
);
CREATE TABLE spans (
    scan_id INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL,
    first_line INTEGER NOT NULL, line_count INTEGER NOT NULL, checksum BLOB NOT NULL,
    state TEXT NOT NULL, rows INTEGER NOT NULL,
    accepted INTEGER NOT NULL DEFAULT 0, already_sent INTEGER NOT NULL DEFAULT 0,
    rejected INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0,
    unknown INTEGER NOT NULL DEFAULT 0, pending INTEGER NOT NULL DEFAULT 0,
    duplicates INTEGER NOT NULL DEFAULT 0, changed INTEGER NOT NULL DEFAULT 0,
    remembered INTEGER NOT NULL DEFAULT 0, outside INTEGER NOT NULL DEFAULT 0,
    unknown_lines TEXT, pending_lines TEXT, run_id INTEGER NOT NULL, changed_at TEXT NOT NULL,
    PRIMARY KEY (scan_id, start)
) WITHOUT ROWID;
CREATE INDEX open_spans ON spans (scan_id, state) WHERE state != 'settled';
CREATE TABLE rejections (
    scan_id INTEGER NOT NULL, start INTEGER NOT NULL, line INTEGER NOT NULL,
    by TEXT NOT NULL, reasons TEXT NOT NULL,
    PRIMARY KEY (scan_id, start, line)
) WITHOUT ROWID;
CREATE TABLE met (
    scan_id INTEGER NOT NULL, start INTEGER NOT NULL,
    keys BLOB NOT NULL, days BLOB NOT NULL, contents BLOB
);
CREATE INDEX met_by_scan ON met (scan_id)
"""


def prepare(db: Database, about: Mapping[str, str]) -> None:
    """Create the tables of a new ledger, or migrate those of an older version.

    Args:
        db: The ledger.
        about: Facts about the target, to store in a new ledger.

    Raises:
        LedgerError: The ledger was written by a newer version, or cannot be used.
    """
    (version,) = db.row("PRAGMA user_version")
    if version > VERSION:
        raise LedgerError(
            f"The ledger {db.path} was written by a newer version of miso-upload. Use that version."
        )
    if db.read_only:
        return
    db.rows("PRAGMA journal_mode = WAL")
    # Sorting a day of 20 million records in one transaction makes a huge log; truncate it later.
    db.rows("PRAGMA journal_size_limit = 67108864")
    # FULL, because an intent must survive a power cut before the first byte is sent.
    db.rows(f"PRAGMA synchronous = {'FULL' if db.path else 'OFF'}")
    if version == 0:
        with db.transaction():
            _create(db)
            db.change_many("INSERT INTO about VALUES (:name, :value)", named_about(about))
    elif version == _VERSION_WITHOUT_CONTENT_KEYS:
        migrate(db, _create)


def has_content_keys(db: Database) -> bool:
    """Return whether the ledger has content keys, which version 0.1 did not have."""
    (version,) = db.row("PRAGMA user_version")
    return bool(version == VERSION)


def _create(db: Database) -> None:
    for statement in f"{_TABLES};{contents.SCHEMA}".split(";"):
        db.change(statement)
    db.change(f"PRAGMA user_version = {VERSION}")
