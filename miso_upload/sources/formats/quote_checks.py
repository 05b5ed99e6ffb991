"""Returns the warnings and reasons about quotes that may not follow the rules of CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.records import Reason

if TYPE_CHECKING:
    from miso_upload.sources.formats.dialect import Dialect

_BACKSLASH = b"\\"


def holds_rows(first: int, last: int) -> Reason:
    """Return the warning about a quoted cell whose lines are valid rows by themselves."""
    return Reason(
        "a quoted cell",
        "contains valid rows, so its lines may be one row or several; all of them are rejected. "
        "Possible fix: --quote none, if each line is a row; --quote '\"', if they are one row",
        shown=f"from line {first:,} to line {last:,}",
    )


def line_of_cell(first: int, last: int) -> Reason:
    """Return the reason for a line that may be a row or a part of one."""
    return Reason(
        "the line",
        "is in a quoted cell that contains valid rows (--quote none reads each line as a row, "
        "--quote '\"' reads them as one)",
        shown=f"(of lines {first:,} to {last:,})",
    )


def misplaced_quote() -> Reason:
    """Return the warning about a quote that breaks the rules and is read literally."""
    return Reason(
        "a quote",
        "breaks the rules of CSV, so its cell keeps its quotes, unlike other quoted cells. "
        "Possible fix: --quote none, if quotes are ordinary characters in this file",
    )


def literal_quotes() -> Reason:
    """Return the warning about cells in quotes in a TSV file that is read without quoting."""
    return Reason(
        "a cell",
        "begins with a quote and keeps it, because this TSV file does not seem to quote its cells. "
        'Possible fix: --quote \'"\', if "abc" means abc; --quote none, if it does not',
    )


def escaped_quote() -> Reason:
    """Return the reason for a row with a backslash before a quote."""
    return Reason(
        "the row",
        "has a backslash before a quote, which CSV does not allow. Possible fix: --escape '\\', if "
        "the backslash escapes the quote; --quote none, if quotes are ordinary characters",
    )


def is_escaped(dialect: Dialect, raw: bytes) -> bool:
    """Return whether backslashes seem to escape the quotes of a part of a row."""
    return bool(dialect.quote) and not dialect.escape and _BACKSLASH + dialect.quote.encode() in raw
