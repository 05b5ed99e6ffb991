"""Declares the options for reading inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from miso_upload.errors import ConfigurationError
from miso_upload.values.option import Part, option

FormatName = Literal["jsonl", "json", "csv", "tsv", "log"]
FORMAT_NAMES: tuple[FormatName, ...] = get_args(FormatName)
NO_QUOTE = "none"
WHITESPACE = "whitespace"
"""The delimiter that is any run of spaces and tabs."""


def _delimiter(given: object) -> str:
    """Return a delimiter; `tab` and `space` are characters by name."""
    if not isinstance(given, str) or not given:
        raise ValueError(f"must be a text, or tab, space or {WHITESPACE}")
    return {"tab": "\t", "\\t": "\t", "space": " "}.get(given, given)


def _comment(given: object) -> str:
    if not isinstance(given, str) or not given.strip():
        raise ValueError("must be a text that is not blank")
    return given


def _quote(given: object) -> str:
    if given != NO_QUOTE and not (isinstance(given, str) and len(given) == 1):
        raise ValueError(f"must be one character, or {NO_QUOTE}")
    return str(given)


def _escape(given: object) -> str:
    if not isinstance(given, str) or len(given) != 1:
        raise ValueError("must be one character")
    return given


def _column_names(given: object) -> tuple[str, ...]:
    """Return names that commas separate, or that a mapping file lists; `-` stands for no name."""
    names = given.split(",") if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or not all(isinstance(each, str) for each in names):
        raise ValueError("must be a list of names")
    return tuple("" if each.strip() == "-" else each.strip() for each in names)


@dataclass(frozen=True, kw_only=True)
class ReadingOptions(Part, group="Input"):
    """How inputs are read.

    Attributes:
        block_bytes: Bytes in a block, at most, so that wide rows make smaller blocks; a single row
            may be larger. It is no option.

    Raises:
        ConfigurationError: An option has a value that it cannot have.
    """

    format: FormatName | None = option(
        None, "Read the inputs in this format.", choices=FORMAT_NAMES,
        default_text="detected from the name, else from the content",
    )  # fmt: skip
    log_format: str | None = option(
        None, "Read access logs in this format, written as in the configuration of nginx or "
        "Apache.", metavar="TEXT", default_text="one of the common formats",
    )  # fmt: skip
    encoding: str | None = option(
        None, "Decode the inputs from this character encoding.", metavar="NAME",
        default_text="from the byte order mark, else UTF-8",
    )  # fmt: skip
    delimiter: str | None = option(
        None, "Split rows of CSV into cells at TEXT, such as ';' or '::' ('tab' and 'space' are "
        "names; 'whitespace' means any spaces and tabs).", metavar="TEXT",
        reader=_delimiter, default_text="detected from the content",
    )  # fmt: skip
    quote: str | None = option(
        None, "Read CHAR as the quote character; 'none' reads quotes literally.",
        metavar="CHAR|none", reader=_quote, default_text='", or none for TSV that does not use it',
    )  # fmt: skip
    escape: str | None = option(
        None, "Read a quote or delimiter after CHAR, such as '\\', as part of the cell.",
        metavar="CHAR", reader=_escape, default_text="none",
    )  # fmt: skip
    columns: tuple[str, ...] = option(
        (), "Name the columns of files without a header, in order; - ignores a column.",
        metavar="NAME,...", reader=_column_names, repeated=False, default_text="the header",
    )  # fmt: skip
    no_header: bool = option(
        False, "Read files without a header, and name their columns 1, 2, 3 and so on."
    )
    skip_lines: int = option(
        0, "Pass over the first N lines of each input, such as titles above a header.",
        metavar="N", minimum=0,
    )  # fmt: skip
    comment: str | None = option(
        None, "Pass over lines of CSV that start with TEXT, such as '#'.", metavar="TEXT",
        reader=_comment, default_text="no comments",
    )  # fmt: skip
    items: str | None = option(
        None, "Read the rows of a JSON document from the list at PATH, such as data.events; '*' "
        "stands for the values of an object.", metavar="PATH", default_text="the whole input",
    )  # fmt: skip
    sql: str | None = option(
        None, "Run this query over the inputs, which it sees as input, input2 and so on, and "
        "upload its result.", metavar="QUERY", default_text="the rows of the inputs",
    )  # fmt: skip
    sql_file: str | None = option(
        None, "Read the query from FILE instead of --sql.", kind="file", metavar="FILE",
        default_text="none",
    )  # fmt: skip
    sql_memory: int = option(
        1024, "Let a query use N MiB of memory before it writes temporary files.", metavar="N",
        minimum=64,
    )  # fmt: skip
    growing: bool = option(
        False, "Leave an incomplete last row for the next run, because it may still grow."
    )
    settle_after: float = option(
        600.0, "With --growing, treat a file as complete after SECONDS without a change.",
        metavar="SECONDS", minimum=0,
    )  # fmt: skip
    max_row_bytes: int = option(8 * 2**20, "Reject rows of more than N bytes.", metavar="N",
                                minimum=1)  # fmt: skip

    max_group_rows: int = option(
        1_000, "Reject groups of more than N rows ([rows] group_by).", metavar="N", minimum=1,
    )  # fmt: skip

    # A block of rows becomes a request, and an input may be a URL: reading has these options,
    # and the help lists them where people look for them.
    chunk_size: int = option(10_000, "Send up to N rows in a request.", metavar="N", minimum=1,
                             maximum=10_000, group="Delivery")  # fmt: skip
    allow_insecure_http: bool = option(
        False, "Allow unencrypted http to any host. This exposes the API key and the data to the "
        "network.", group="Delivery",
    )  # fmt: skip

    block_bytes: int = 32 * 2**20

    def __post_init__(self) -> None:
        """Check what no option can be on its own."""
        super().__post_init__()
        named: set[str] = set()
        for column in filter(None, self.columns):
            if column in named:
                from miso_upload.values.display import quoted  # noqa: PLC0415 -- takes long

                raise ConfigurationError(f"--columns names {quoted(column)} more than once")
            named.add(column)
        if self.columns and not named:
            raise ConfigurationError(
                "--columns names no column; to name them 1, 2, 3, use --no-header"
            )
        if self.sql is not None and self.sql_file is not None:
            raise ConfigurationError("--sql and --sql-file cannot be used together; use one")

    @property
    def has_query(self) -> bool:
        """Return whether the rows are those of a query's result."""
        return self.sql is not None or self.sql_file is not None

    def query_text(self) -> str:
        """Return the query, or empty text if there is none.

        Raises:
            ConfigurationError: Its file cannot be read.
        """
        if self.sql_file is None:
            return self.sql or ""
        from pathlib import Path  # noqa: PLC0415 -- the help does without

        try:
            return Path(self.sql_file).read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise ConfigurationError(f"--sql-file {self.sql_file}: cannot be read: {why}") from None

    @property
    def names(self) -> tuple[str, ...] | None:
        """Return the names of the columns; empty to number them; None where there is a header."""
        return self.columns if self.columns or self.no_header else None
