"""Ledgers as version 0.1 of miso-upload wrote them."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing

SCHEMA = """
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
CREATE TABLE head_lines (
    line BLOB NOT NULL, source_id INTEGER NOT NULL, PRIMARY KEY (line, source_id)
) WITHOUT ROWID;
CREATE TABLE rejects_files (
    path TEXT PRIMARY KEY, length INTEGER NOT NULL, run_id INTEGER NOT NULL
);
CREATE TABLE spans (
    source_id INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL,
    first_line INTEGER NOT NULL, line_count INTEGER NOT NULL, digest BLOB NOT NULL,
    state TEXT NOT NULL, rows INTEGER NOT NULL,
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
NOW = "2024-05-01T10:00:00+00:00"
HEAD_BYTES = 65_536


def write_old_ledger(path, sources, *, recipe="a job", about=()):
    """Write a ledger of version 0.1.

    Args:
        path: Where.
        sources: For each source its name, its whole text, and its spans: how many lines each has,
            and which columns of it are not those of a span that was accepted as a whole.
        recipe: The fingerprint under which they were read.
        about: What it says of its target.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(SCHEMA)
        db.execute("PRAGMA user_version = 1")
        db.execute("PRAGMA journal_mode = WAL")
        db.executemany("INSERT INTO about VALUES (?, ?)", dict(about).items())
        db.execute("INSERT INTO runs VALUES (1, ?, ?, 0, '0.1.0')", (NOW, NOW))
        for number, (name, text, spans) in enumerate(sources, 1):
            head = text[:HEAD_BYTES]
            db.execute(
                "INSERT INTO sources VALUES (?, ?, ?, ?, ?, ?, 1, 0)",
                (number, name, len(head), digest(head), recipe, NOW),
            )
            _write_spans(db, number, text, spans)


def _write_spans(db, number, text, spans):
    lines = text.splitlines(keepends=True)
    start = first = 0
    for count, changes in spans:
        data = b"".join(lines[first : first + count])
        row = {
            "source_id": number, "start": start, "end": start + len(data), "first_line": first + 1,
            "line_count": count, "digest": digest(data), "state": "settled", "rows": count,
            "accepted": count, "run_id": 1, "changed_at": NOW,
        }  # fmt: skip
        rejected = changes.get("rejected_lines", ())
        row |= {name: value for name, value in changes.items() if name != "rejected_lines"}
        db.execute(
            f"INSERT INTO spans ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
            tuple(row.values()),
        )
        db.executemany(
            "INSERT INTO rejections VALUES (?, ?, ?, 'schema', ?)",
            [(number, start, line, '[["user_id","is missing",""]]') for line in rejected],
        )
        start, first = start + len(data), first + count


def digest(data):
    """Return what version 0.1 knew bytes by."""
    return hashlib.sha256(data).digest()[:16]
