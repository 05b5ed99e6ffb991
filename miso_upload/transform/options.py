"""Declares the options for mapping, identity and validation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from miso_upload.errors import ConfigurationError
from miso_upload.transform.scope_times import scope_time
from miso_upload.values.option import Part, option

Derive = Literal["missing", "always", "never"]
DerivedFrom = Literal["ip", "ip+user-agent"]
Missing = Literal["timestamp", "id"]
FloatIds = Literal["reject", "integer"]


def _workers(given: object) -> int | Literal["auto"]:
    if given == "auto":
        return "auto"
    is_number = isinstance(given, int) and not isinstance(given, bool)
    text = str(given) if is_number or isinstance(given, str) else ""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"must be auto, 0 or more, but is {given!r}")
    return int(text)


def _proxies(given: object) -> int | str:
    """Return how many proxies there are, or their networks; a mapping file may hold a list."""
    text = ",".join(map(str, given)) if isinstance(given, list | tuple) else str(given)
    return int(text) if text.isascii() and text.isdigit() else text


@dataclass(frozen=True, kw_only=True)
class MappingOptions(Part, group="Mapping"):
    """Which attributes of a record come from which columns of a row."""

    mapping: str | None = option(
        None, "Map rows with this TOML file; its [options] table can set other options.",
        short=("-m", "--config"), kind="file", metavar="FILE", default_text="none",
    )  # fmt: skip
    preset: str | None = option(
        None, "Map rows with this preset; 'miso-upload presets' lists them, and 'none' turns off "
        "the default preset.", metavar="NAME",
        default_text="web-log for access logs",
    )  # fmt: skip
    map: tuple[str, ...] = option(
        (), "Map this column to an attribute. Can be repeated.", metavar="ATTRIBUTE=COLUMN",
        default_text="columns named after attributes",
    )  # fmt: skip
    set: tuple[str, ...] = option(
        (), "Set an attribute to this value in every record. Can be repeated.",
        metavar="ATTRIBUTE=VALUE", default_text="none",
    )  # fmt: skip
    transform: str | None = option(
        None, "Call transform(row) of this Python file on each row before it is mapped.",
        kind="file", metavar="FILE", default_text="none",
    )  # fmt: skip
    keep: tuple[str, ...] = option(
        (), "Keep rows that the skip rule of this name would skip.", metavar="NAME",
        default_text="none",
    )  # fmt: skip
    bot_rate: int | None = option(
        None, "Skip the rows of a visitor with more than N rows a minute.", kind="integer",
        metavar="N", minimum=1, default_text="no limit",
    )  # fmt: skip
    series: str = option(
        "", "Name the series that the inputs belong to, such as a server or a shard. Equal records "
        "in different series are not duplicates.", metavar="NAME", default_text="none",
    )  # fmt: skip
    list_separator: str | None = option(
        None, "Split the cells of list attributes at TEXT.", metavar="TEXT",
        default_text="a cell is one value",
    )  # fmt: skip
    null_values: tuple[str, ...] = option(
        (), "Treat these words as absent in ids, lists and numbers, separated by commas; 'default' "
        "stands for the default words, and empty text for none. Can be repeated.",
        metavar="WORD,...", default_text="NULL, undefined and similar words",
    )  # fmt: skip
    float_ids: FloatIds = option(
        "reject", "Reject ids such as 123.0, or read them as integers.", choices=get_args(FloatIds)
    )
    strict: bool = option(False, "Stop if a column is unmapped.")
    timestamp_format: tuple[str, ...] = option(
        (), "Read timestamps in this strptime format, such as '%d/%m/%Y %H:%M'. Can be "
        "repeated.",
        metavar="FORMAT", default_text="ISO 8601 and Unix time",
    )  # fmt: skip
    timezone: str | None = option(
        None, "Read timestamps without a time zone as in ZONE, such as Europe/Berlin.",
        metavar="ZONE", default_text="none: these rows are rejected",
    )  # fmt: skip
    workers: int | Literal["auto"] = option(
        "auto", "Map and validate rows in N processes besides the main one; 0 uses none.",
        metavar="N|auto", reader=_workers,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class IdentityOptions(Part, group="Identity"):
    """When `anonymous_id` is derived, and from what.

    Attributes:
        anonymous_id_salt: The key of the HMAC; empty for plain SHA-256. It is a secret, so it comes
            from a file or from `MISO_ANONYMOUS_ID_SALT`.
    """

    derive_anonymous_id: Derive = option(
        "missing", "Derive anonymous_id from ip and user_agent for rows without an id, for all "
        "rows, or for none.", choices=get_args(Derive),
    )  # fmt: skip
    anonymous_id_from: DerivedFrom = option(
        "ip+user-agent", "Derive anonymous_id from the address alone, or from address and browser.",
        choices=get_args(DerivedFrom),
    )  # fmt: skip
    anonymous_id_salt_file: str | None = option(
        None, "Read the salt of derived ids from this file.", kind="file", metavar="FILE",
        default_text="MISO_ANONYMOUS_ID_SALT, else no salt",
    )  # fmt: skip
    anonymous_id_salt: bytes = field(default=b"", repr=False)
    trusted_proxies: int | str = option(
        0, "Trust the last N proxies of a forwarded list, or the proxies in these networks.",
        kind="text", metavar="N|CIDR,...", reader=_proxies,
    )  # fmt: skip
    id_from_host_names: bool = option(
        False, "Derive anonymous_id from the host name, if the log has one in place of an address."
    )
    ipv6_prefix: int = option(
        128, "Derive ids from the first N bits of an IPv6 address; 64 identifies a household.",
        metavar="N", minimum=1, maximum=128,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ScopeOptions(Part, group="Scope"):
    """Which records of the inputs are sent; the others are outside, and a later run sends them."""

    since: str | None = option(
        None, "Leave out records earlier than TIME: a date, a timestamp, or a period before now "
        "such as 90d or 12h.", metavar="TIME", reader=scope_time, default_text="no limit",
    )  # fmt: skip
    until: str | None = option(
        None, "Leave out records at TIME and later; a date means its first instant.",
        metavar="TIME", reader=scope_time, default_text="no limit",
    )  # fmt: skip
    only_type: tuple[str, ...] = option(
        (), "Leave out records of any other type. Can be repeated.", metavar="TYPE",
        default_text="all types",
    )  # fmt: skip
    skip_type: tuple[str, ...] = option(
        (), "Leave out records of this type. Can be repeated.", metavar="TYPE",
        default_text="none",
    )  # fmt: skip
    limit: int | None = option(
        None, "Stop after N new rows, counted over all inputs; the next run continues there.",
        kind="integer", metavar="N", minimum=1, default_text="no limit",
    )  # fmt: skip
    sample: float | None = option(
        None, "In a dry run, examine only this share of the rows, chosen at random.",
        kind="number", metavar="RATE", above=0, maximum=1, default_text="all rows",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ValidationOptions(Part, group="Validation and dry runs"):
    """Which records are valid, how many may be rejected, and whether this is a rehearsal.

    Raises:
        ConfigurationError: Two kinds of rehearsals are asked for.
    """

    dry_run: bool = option(
        False, "Read, map and validate everything and send nothing; this needs no API key."
    )
    server_dry_run: bool = option(
        False, "Send everything to Miso with dry_run=1, which validates and stores nothing."
    )
    sandbox: bool = option(False, "Send everything to a mock server that is started for this run.")
    schema: str | None = option(
        None, "Validate records against this JSON Schema.", kind="file", metavar="FILE",
        default_text="the schema of Miso's API",
    )  # fmt: skip
    allow_missing: tuple[Missing, ...] = option(
        (), "Send rows without a timestamp or an id; Miso then makes one up.",
        choices=get_args(Missing), default_text="these rows are rejected",
    )  # fmt: skip
    max_reject_rate: float = option(
        0.1, "Stop when more than this share of the rows is rejected; 1 never stops.",
        metavar="RATE", minimum=0, maximum=1,
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Check what no option can be on its own."""
        super().__post_init__()
        if sum((self.dry_run, self.server_dry_run, self.sandbox)) > 1:
            raise ConfigurationError(
                "--dry-run, --server-dry-run and --sandbox exclude each other; choose one"
            )

    @property
    def rehearses(self) -> bool:
        """Whether the run is a rehearsal, which nothing remembers."""
        return self.dry_run or self.server_dry_run or self.sandbox
