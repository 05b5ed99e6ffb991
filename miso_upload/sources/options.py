"""How inputs are read, and what is known of a stretch that was read before."""

from __future__ import annotations

from dataclasses import dataclass, field

from miso_upload.errors import ConfigurationError
from miso_upload.sources.formats import Limits, check_columns

SETTLE_AFTER = 600.0
"""Seconds without a change after which a growing file counts as finished.

Programs that buffer what they log may write the two halves of a line minutes apart.
"""


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How inputs are read.

    Attributes:
        format: A name of `FORMAT_NAMES`; None means by name, then by content.
        log_format: How lines of an access log are put together; None means as one that is known.
        encoding: None means UTF-8, or what a byte order mark says.
        delimiter: What separates cells; None means to find out.
        quote: What stands around cells, `none` for nothing; None means to find out.
        escape: What makes a quote or a delimiter a character like others; None means nothing.
        columns: Names for the cells of files without a header; a cell without a name is left out.
        no_header: There is no header: where `columns` names none, they are called 1, 2, and so on.
        growing: The last row of an input may still be written: it waits unless its end is there.
            Compressed inputs and Parquet count as finished.
        settle_after: Nor is a file that was not written to for so many seconds.
        allow_insecure_http: A URL may be read unencrypted from any host, not only from this one.
        limits: How large blocks and rows may be.

    Raises:
        ConfigurationError: The delimiter, the quote, the escape or the columns cannot be such.
    """

    format: str | None = None
    log_format: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    columns: tuple[str, ...] = ()
    no_header: bool = False
    growing: bool = False
    settle_after: float = SETTLE_AFTER
    allow_insecure_http: bool = False
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ConfigurationError("--delimiter: must be one character ('\\t' or tab for a tab)")
        if self.quote not in (None, "none") and len(self.quote or "") != 1:
            raise ConfigurationError("--quote: must be one character, or none")
        if self.escape is not None and len(self.escape) != 1:
            raise ConfigurationError("--escape: must be one character")
        check_columns(self.columns)

    @property
    def names(self) -> tuple[str, ...] | None:
        """Return the columns as `detect_format` takes them: None where there is a header."""
        return self.columns if self.columns or self.no_header else None
