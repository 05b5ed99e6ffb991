"""Everything a run can be told, in one frozen value; each field is an option of the program."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_SERVER = "https://api.askmiso.com"
MOST_ROWS = 10_000
"""Records in a request, as Miso's upload guide recommends at most."""


def _default_state_dir() -> Path:
    # Imported where it is asked for: with --state-dir, it is not.
    from platformdirs import user_state_path  # noqa: PLC0415

    return user_state_path("miso-upload")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to upload, how to read it, what to make of it, and where to send it.

    The command line's `--option-name` is the field `option_name`, and has the same default.
    """

    inputs: tuple[str, ...]
    """Files, directories, URLs, patterns, or `-` for standard input."""

    # Reading
    format: Literal["jsonl", "json", "csv", "tsv", "log"] | None = None
    log_format: str | None = None
    """How the lines of an access log are put together, in the notation of nginx or Apache."""
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    """What stands around cells of CSV and TSV, `none` for nothing; None means to find out."""
    escape: str | None = None
    """What makes a quote or a delimiter in a cell a character like others."""
    columns: tuple[str, ...] = ()
    """The columns of files without a header, in order; an empty name leaves one out."""
    no_header: bool = False
    """Files have no header: their columns are called 1, 2, and so on, unless `columns` says."""
    growing: bool = False
    """The last line may still be written: it waits unless its end is there."""
    settle_after: float = 600.0
    """Seconds without a change after which a growing file counts as finished."""
    max_row_bytes: int = 8 * 2**20

    # Becoming a record
    preset: str | None = None
    """The name of a mapping file that comes with the package; `mapping` wins over what it says.

    None means the one that the format brings, if it does, and `none` not even that.
    """
    mapping: str | None = None
    """A mapping file; `map` and `set` win over what it says of an attribute."""
    map: tuple[str, ...] = ()
    """`ATTRIBUTE=COLUMN` texts."""
    set: tuple[str, ...] = ()
    """`ATTRIBUTE=VALUE` texts."""
    transform: str | None = None
    """A Python file whose `transform(row)` changes or skips rows before they are mapped."""
    keep: tuple[str, ...] = ()
    """Names of skips of the mapping that are switched off."""
    bot_rate: int | None = None
    """Rows a minute from one address and browser, beyond which they are a bot's."""
    list_separator: str | None = None
    strict: bool = False
    series: str = ""
    """The name of the series that the inputs belong to: records of different series are different,
    even if their content is the same."""
    timestamp_format: tuple[str, ...] = ()
    timezone: str | None = None
    derive_anonymous_id: Literal["missing", "always", "never"] = "missing"
    anonymous_id_from: Literal["ip", "ip+user-agent"] = "ip+user-agent"
    anonymous_id_salt: bytes = field(default=b"", repr=False)
    trusted_proxies: int | str = 0
    """How many addresses at the right end of a forwarded list are your own, or their networks."""
    ipv6_prefix: int = 128
    """How many bits of an IPv6 address count for an id."""

    # Proving
    schema: str | None = None
    allow_missing: tuple[Literal["timestamp", "id"], ...] = ()
    max_reject_rate: float = 0.1
    dry_run: bool = False
    server_dry_run: bool = False
    sandbox: bool = False

    # Delivering
    server: str = DEFAULT_SERVER
    api_key: str = field(default="", repr=False)
    auth: Literal["query", "header"] = "query"
    allow_insecure_http: bool = False
    chunk_size: int = MOST_ROWS
    max_chunk_bytes: int = 8 * 2**20
    concurrency: int = 4
    workers: int | Literal["auto"] = "auto"
    max_requests_per_second: float | None = None
    connect_timeout: float = 10.0
    read_timeout: float = 120.0
    max_attempts: int = 8
    retry_for: float = 600.0
    on_unknown: Literal["resend", "hold", "skip"] = "resend"
    not_stored: tuple[int, ...] = ()
    """Statuses (408, 5xx) by which a gateway is known to refuse: nothing was stored then."""

    # The ledger
    state_dir: Path = field(default_factory=_default_state_dir)
    target: str | None = None
    """A name for the target in place of the key's fingerprint, to keep when the key is changed."""
    new_target: str | None = None
    """The name of a target that is new on this server; repeated, the same as `target`."""
    rotated_key: bool = False
    """The key is a new one of `target`: accept it, and remember its fingerprint."""
    remember: bool = False
    """Note the records as sent, without sending them: Miso has them already."""
    restart: bool = False
    """Forget what was sent from the inputs, and send all of their records."""
    already_sent: Literal["leave-out", "send"] = "leave-out"
    """What to do with records that Miso has, from another source or an earlier version."""
    changed: Literal["leave-out", "send"] = "leave-out"
    """What to do with records whose natural key Miso has with other content."""
    changed_mapping: Literal["stop", "send", "continue"] = "stop"
    """What to do where rows of an input were sent under other options and come out differently."""

    # Results
    rejects: str | None = None
    """The rejects file; None means one beside each input, if rows are rejected in an upload."""
    rejects_without_rows: bool = False
    """The rejects file holds places and reasons only; the rows, which may hold addresses, do not
    leave the input."""
    report: str | None = None

    # Where secrets were read from, so that nothing is written there
    api_key_file: Path | None = None
    anonymous_id_salt_file: Path | None = None

    @property
    def lasting(self) -> bool:
        """Whether what was done is remembered for the next run."""
        return not (self.dry_run or self.server_dry_run or self.sandbox)
