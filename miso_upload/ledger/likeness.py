"""Which of the known sources an input is, by its beginning, or is like, by its lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.sources.fingerprint import digest

if TYPE_CHECKING:
    from miso_upload.ledger.database import Database
    from miso_upload.sources import Head

FEWEST_LINES = 3
"""How many lines of a source must be known before it can resemble another."""


def beginning_alike(db: Database, head: Head) -> int | None:
    """Return the id of the source with the longest known beginning that is `head`'s too."""
    lengths = db.rows(
        "SELECT DISTINCT head_length FROM sources WHERE head_length BETWEEN 1 AND ? "
        "ORDER BY head_length DESC",
        (len(head),),
    )
    for (length,) in lengths:
        found = db.row(
            "SELECT id FROM sources WHERE head_length = ? AND head_digest = ?",
            (length, head.digest(length)),
        )
        if found:
            return int(found[0])
    return None


def read_until(db: Database, head: Head) -> int | None:
    """Return the id of a longer source of which the spans until the end of `head` are in it."""
    for end in {len(head), len(head.identity)}:
        for (found,) in db.rows("SELECT source_id FROM spans WHERE end = ?", (end,)):
            spans = db.rows(
                "SELECT start, end, digest FROM spans WHERE source_id = ? AND end <= ? "
                "ORDER BY start",
                (found, end),
            )
            # Of what stands before the first span, such as a header, there is no digest.
            if spans[0][0] == 0 and all(
                digest(head.data[start:stop]) == known for start, stop, known in spans
            ):
                return int(found)
    return None


def sharing_most_lines(db: Database, head: Head) -> int | None:
    """Return the id of a source of which Miso may have rows and more than half of the lines are."""
    return _sharing_lines(
        db,
        head,
        "source_id IN (SELECT source_id FROM spans WHERE accepted + unknown > 0)",
        "count(*) * 2 > ? ORDER BY count(*) DESC",
    )


def reaching_beyond(db: Database, head: Head) -> int | None:
    """Return the id of a source with a longer beginning in which all the lines are.

    Only whole beginnings are remembered, so this is told by lines.
    """
    longer = f"source_id IN (SELECT id FROM sources WHERE head_length > {len(head):d})"
    return _sharing_lines(db, head, longer, "count(*) = ? ORDER BY source_id DESC")


def _sharing_lines(db: Database, head: Head, which: str, how_many: str) -> int | None:
    lines = head.line_digests()
    if len(lines) < FEWEST_LINES:
        return None
    marks = ", ".join("?" * len(lines))
    found = db.row(
        f"SELECT source_id FROM head_lines WHERE line IN ({marks}) AND {which} "
        f"GROUP BY source_id HAVING {how_many} LIMIT 1",
        (*lines, len(lines)),
    )
    return int(found[0]) if found else None
