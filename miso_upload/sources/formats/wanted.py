"""What the user says of a source's rows, before its format is known."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.errors import ConfigurationError
from miso_upload.sources.formats.base import Limits
from miso_upload.values.display import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT_NAMES = ("jsonl", "json", "csv", "tsv", "log")
_LIMITS = Limits()
LOOKED_AT = 65_536
"""How much of the beginning the format is told from, unless a header or a first line is longer."""


class Wanted(NamedTuple):
    """What the user says of the rows of a source.

    Attributes:
        format: A name of `FORMAT_NAMES`; None to find out.
        delimiter: What separates cells; None to find out.
        quote: What stands around cells, `none` for nothing; None to find out.
        escape: What makes a quote or a delimiter a character like others; None for nothing.
        columns: Names for the cells of a file without a header; empty to call them 1, 2, and so on;
            None where there is a header.
        log_format: How the lines of an access log are put together, which makes it one.
        row_bytes: The longest row that is read.
    """

    format: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    columns: tuple[str, ...] | None = None
    log_format: str | None = None
    row_bytes: int = _LIMITS.row_bytes


def check_columns(columns: tuple[str, ...]) -> None:
    """See to it that the names that the user gives can be the columns of a file.

    Raises:
        ConfigurationError: One is there twice, or none has a name.
    """
    repeated = name_met_twice(columns)
    if repeated:
        raise ConfigurationError(f"--columns names {quoted(repeated)} more than once")
    if columns and not any(columns):
        raise ConfigurationError("--columns names no column; --no-header calls them 1, 2, 3")


def name_met_twice(columns: Iterable[str]) -> str | None:
    """Return a column that is named more than once, if one is."""
    counts = Counter(column for column in columns if column)
    return next((column for column, count in counts.items() if count > 1), None)
