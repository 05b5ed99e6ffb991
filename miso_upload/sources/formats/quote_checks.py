"""What is said where it is not certain that quotes in a file are meant as CSV means them."""

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
        "has valid rows in it: with its quotes it is a part of one row, and without them each line "
        "is a row. All these lines are rejected. Possible fix: --quote none, if each line is a "
        "row; --quote '\"', if they are one",
        shown=f"from line {first:,} to line {last:,}",
    )


def line_of_cell(first: int, last: int) -> Reason:
    """Return why a line is rejected that may be a row, or a part of one."""
    return Reason(
        "the line",
        "is in a quoted cell that has valid rows in it (--quote none reads each line as a row, "
        "--quote '\"' all of them as one)",
        shown=f"(of lines {first:,} to {last:,})",
    )


def misplaced_quote() -> Reason:
    """Return the warning about a quote that breaks the rules, and is read as it is."""
    return Reason(
        "a quote",
        "breaks the rules of CSV, so that its cell keeps its quotes, while other cells lose them. "
        "Possible fix: --quote none, if quotes are characters like any other in this file",
    )


def literal_quotes() -> Reason:
    """Return the warning about cells in quotes in a TSV file that is read without quoting."""
    return Reason(
        "a cell",
        "begins with a quote and keeps it, since this TSV does not seem to quote its cells. "
        'Possible fix: --quote \'"\', if "abc" means abc; --quote none, if it does not',
    )


def escaped_quote() -> Reason:
    """Return why a row with backslashes before its quotes is not read."""
    return Reason(
        "the row",
        "has a backslash before a quote, which CSV does not know. Possible fix: --escape '\\', if "
        "the two mean a quote; --quote none, if all quotes are characters like any other",
    )


def is_escaped(dialect: Dialect, raw: bytes) -> bool:
    """Return whether a part of a row looks as if backslashes escaped its quotes."""
    return bool(dialect.quote) and not dialect.escape and _BACKSLASH + dialect.quote.encode() in raw
