"""Declares the options for sending records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from miso_upload.errors import ConfigurationError
from miso_upload.values.option import Part, option

Auth = Literal["query", "header"]
OnUnknown = Literal["resend", "hold", "skip"]

UNPROVEN = {408, *range(500, 600)}
"""Statuses that prove nothing, unless the user says that they mean "not stored"."""


def _statuses(given: object) -> tuple[int, ...]:
    """Return one status, or several that commas separate."""
    texts = [each.strip() for each in str(given).split(",")]
    if isinstance(given, bool) or not all(each.isascii() and each.isdigit() for each in texts):
        raise ValueError(f"{str(given)!r} is not a status such as 503, or several, as in 500,503")
    return tuple(map(int, texts))


@dataclass(frozen=True, kw_only=True)
class DeliveryOptions(Part, group="Delivery"):
    """Where records are sent, how fast, and what happens to requests that fail.

    Attributes:
        api_key: The secret key. It comes from a file or from `MISO_API_KEY`.

    Raises:
        ConfigurationError: An option has a value that it cannot have, or the key does.
    """

    server: str = option("https://api.askmiso.com", "Send to the Miso API at this URL.",
                         metavar="URL")  # fmt: skip
    api_key: str = field(default="", repr=False)
    api_key_file: str | None = option(
        None, "Read the API key from this file.", kind="file", metavar="FILE",
        default_text="MISO_API_KEY, else a prompt",
    )  # fmt: skip
    auth: Auth = option(
        "query", "Send the API key as the parameter api_key, or as the header X-API-KEY.",
        choices=get_args(Auth),
    )  # fmt: skip
    max_chunk_bytes: int = option(
        8 * 2**20, "Split requests of more than N bytes.", metavar="N", minimum=1
    )
    concurrency: int = option(4, "Send up to N requests at once.", metavar="N", minimum=1)
    max_requests_per_second: float | None = option(
        None, "Send at most N requests a second.", kind="number", metavar="N", above=0,
        default_text="no limit",
    )  # fmt: skip
    connect_timeout: float = option(
        10.0, "Wait up to SECONDS for a connection.", metavar="SECONDS", above=0
    )
    read_timeout: float = option(
        120.0, "Wait up to SECONDS for the answer to a request.", metavar="SECONDS", above=0
    )
    max_attempts: int = option(8, "Send a request up to N times.", metavar="N", minimum=1)
    retry_for: float = option(
        600.0, "Stop retrying a request after SECONDS of waiting between its attempts.",
        metavar="SECONDS", above=0,
    )  # fmt: skip
    on_unknown: OnUnknown = option(
        "resend", "Resend, hold back or give up records if it is unknown whether Miso stored them.",
        choices=get_args(OnUnknown),
    )  # fmt: skip
    not_stored: tuple[int, ...] = option(
        (), "Treat these statuses of your gateway (408 or 5xx) as proof that nothing was stored.",
        metavar="STATUS,...", reader=_statuses, default_text="none",
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Check what no option can be on its own."""
        super().__post_init__()
        if wrong := sorted(set(self.not_stored) - UNPROVEN):
            raise ConfigurationError(
                f"--not-stored {wrong[0]}: must be 408 or from 500 to 599; every other status has "
                "one meaning (see docs/reliability.md)"
            )
        if any(not "!" <= char <= "~" for char in self.api_key):
            raise ConfigurationError(
                "the API key holds white space or is not plain ASCII; check it"
            )
