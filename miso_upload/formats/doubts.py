"""What is said where it is not certain that quotes in a file are meant as CSV means them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.records import Reason

if TYPE_CHECKING:
    from miso_upload.formats.dialect import Dialect

_BACKSLASH = b"\\"


def holds_rows(first: int, last: int) -> Reason:
    """Return why the lines of a quoted cell that has rows in it are not read."""
    return Reason(
        "the quoted cell",
        "has lines in it that are valid rows by themselves, so each of its lines is rejected. "
        "Possible fix: --quote none reads each line as a row and quotes as they are; "
        "--quote '\"' reads all the lines as one row",
        shown=f"from line {first:,} to line {last:,}",
    )


def misplaced_quote() -> Reason:
    """Return the warning about a quote that breaks the rules, and is read as it is."""
    return Reason(
        "a quote",
        "breaks the rules of CSV, so its cell is read as it is, quotes and all; other quoted cells "
        "are read without their quotes. Possible fix: --quote none, if quotes are characters like "
        "any other in this file",
    )


def literal_quotes() -> Reason:
    """Return the warning about cells in quotes in a TSV file that is read without quoting."""
    return Reason(
        "a quote",
        "at the start of a cell is read as it is, since this TSV does not seem to quote its "
        'cells. Possible fix: --quote \'"\', if "abc" in this file means abc; --quote none, if not',
    )


def escaped_quote() -> Reason:
    """Return why a row with backslashes before its quotes is not read."""
    return Reason(
        "the row",
        "has a backslash before a quote, which CSV does not know. Possible fix: --escape '\\' reads the "
        "two as a quote; --quote none reads them as they are",
    )


def is_escaped(dialect: Dialect, raw: bytes) -> bool:
    """Return whether a malformed cell looks as if backslashes escaped its quotes."""
    return not dialect.escape and _BACKSLASH + dialect.quote.encode() in raw
