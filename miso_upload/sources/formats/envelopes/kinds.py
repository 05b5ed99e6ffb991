"""Defines the envelopes that log collectors write around the lines of a log.

Sources: the manuals of Docker (json-file logging driver, `docker logs`, `docker compose logs`), the
Kubernetes CRI logging format, `journalctl`, RFC 3164, RFC 5424, rsyslog, Filebeat, Google Cloud
Logging and GNU grep.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from miso_upload.values.json import JSONDecodeError, decode

if TYPE_CHECKING:
    from collections.abc import Sequence


class Content(NamedTuple):
    """What an envelope contains.

    Attributes:
        text: The line, or a part of it.
        stream: The stream that it belongs to, such as stdout.
        is_partial: Whether the line continues in the next envelope of its stream.
    """

    text: bytes
    stream: bytes = b""
    is_partial: bool = False


class Envelope(Protocol):
    """An envelope; a small value that can be sent to a worker process."""

    @property
    def name(self) -> str:
        """What the lines are, for messages."""

    @property
    def has_parts(self) -> bool:
        """Whether a long line may be in several envelopes."""

    def open(self, line: bytes) -> Content | None:
        """Return the content of a line; None if the line is not in this envelope."""

    def may_have_parts(self, data: bytes) -> bool:
        """Return whether lines may have partial contents; False only if none has."""

    def is_plausible(self, lines: Sequence[bytes]) -> bool:
        """Return whether lines that can be opened are in this envelope and not in another."""


class Prefix(NamedTuple):
    """An envelope that is a prefix of the line.

    Attributes:
        name: What the lines are, for messages.
        pattern: Matches the prefix. The group `tag` is P if the line continues.
        has_parts: Whether a long line may be in several envelopes.
        has_numbers: Whether the group `number` numbers the lines.
    """

    name: str
    pattern: re.Pattern[bytes]
    has_parts: bool = False
    has_numbers: bool = False

    def open(self, line: bytes) -> Content | None:
        """See `Envelope.open`."""
        found = self.pattern.match(line)
        if found is None:
            return None
        text = line[found.end() :]
        if not self.has_parts:
            return Content(text)
        return Content(text, found["stream"], found["tag"] == b"P")

    def may_have_parts(self, data: bytes) -> bool:
        """See `Envelope.may_have_parts`."""
        return self.has_parts and (b" stdout P" in data or b" stderr P" in data)

    def is_plausible(self, lines: Sequence[bytes]) -> bool:
        """See `Envelope.is_plausible`: line numbers ascend."""
        if not self.has_numbers:
            return True
        seen: dict[bytes, int] = {}
        for line in lines:
            found = self.pattern.match(line)
            if found is not None:
                number = int(found["number"])
                if number <= seen.get(found["name"], 0):
                    return False
                seen[found["name"]] = number
        return len(lines) > 1 or not _STARTS_WITH_IPV6.match(lines[0].partition(b":")[2])


class JsonObject(NamedTuple):
    """An envelope that is a JSON object with the line in one of its values.

    Attributes:
        name: What the lines are, for messages.
        key: The key of the line.
        beside: At least one of these keys must be there too.
        has_parts: Whether a text without a newline at its end continues in the next envelope.
    """

    name: str
    key: str
    beside: frozenset[str]
    has_parts: bool = False

    def open(self, line: bytes) -> Content | None:
        """See `Envelope.open`."""
        try:
            row = decode(line)
        except JSONDecodeError:
            return None
        if not isinstance(row, dict) or self.beside.isdisjoint(row):
            return None
        text = _bytes_of(row.get(self.key))
        if text is None:
            return None
        if not self.has_parts:
            return Content(text)
        return Content(text, str(row.get("stream", "")).encode("utf-8", "replace"),
                       not text.endswith(b"\n"))  # fmt: skip

    def may_have_parts(self, data: bytes) -> bool:
        """See `Envelope.may_have_parts`."""
        return self.has_parts and data.count(b'\\n"') < data.count(b"\n") + (data[-1:] != b"\n")

    def is_plausible(self, lines: Sequence[bytes]) -> bool:  # noqa: ARG002 -- the keys are enough
        """See `Envelope.is_plausible`."""
        return True


def _bytes_of(value: object) -> bytes | None:
    """Return a text, which journald writes as a list of bytes if it is not UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if isinstance(value, list) and value:
        try:
            return bytes(value)
        except (TypeError, ValueError):
            return None
    return None


_ISO = rb"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}(?:[.,][0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})"
_MONTH = rb"[A-Z\x80-\xff][a-z\x80-\xff]{2,5}\.?"
_CLOCK = rb"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
_PRI = rb"(?:<[0-9]{1,3}>)?"
_HOST_AND_TAG = rb"[^ ]{1,255} [^ \[\]:\"]{1,128}(?:\[[^\]\" ]{1,64}\])?: ?"
_COLOUR = rb"(?:\x1b\[[0-9;]*m)*"
_ELEMENTS = rb'(?:-|(?:\[(?:[^\]\\"]|\\.|"(?:[^"\\]|\\.)*+")*+\])++)'
_STARTS_WITH_IPV6 = re.compile(rb"[0-9A-Fa-f]*:[0-9A-Fa-f:.]+ ")

ENVELOPES: tuple[Envelope, ...] = (
    JsonObject("JSON of Docker's json-file driver", "log", frozenset({"stream", "time"}),
               has_parts=True),
    JsonObject("JSON of journald", "MESSAGE", frozenset({
        "__CURSOR", "__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP", "_PID", "_HOSTNAME",
        "SYSLOG_IDENTIFIER", "PRIORITY",
    })),
    JsonObject("JSON of a log collector", "message", frozenset({"@timestamp"})),
    JsonObject("JSON of Google Cloud Logging", "textPayload", frozenset({"insertId", "logName"})),
    Prefix("lines of Kubernetes (CRI)", re.compile(
        _ISO + rb" (?P<stream>stdout|stderr) (?P<tag>[FP])(?::[^ ]*)?(?: |\Z)"), has_parts=True),
    Prefix("lines of syslog (RFC 5424)", re.compile(
        rb"<[0-9]{1,3}>1 (?:-|" + _ISO + rb") [^ ]{1,255} [^ ]{1,64} [^ ]{1,128} [^ ]{1,64} "
        + _ELEMENTS + rb" ?(?:\xef\xbb\xbf)?")),
    Prefix("lines of syslog", re.compile(
        _PRI + rb"(?:" + _MONTH + rb" +[0-9]{1,2} (?:[0-9]{4} )?" + _CLOCK + rb"|" + _ISO + rb") "
        + _HOST_AND_TAG + rb"(?:@cee: ?)?")),
    Prefix("lines of docker compose", re.compile(
        _COLOUR + rb"[A-Za-z0-9][A-Za-z0-9_.-]{0,100} *" + _COLOUR + rb"\|" + _COLOUR + rb" ?"
        + _COLOUR + rb"(?:" + _ISO + rb" )?")),
    Prefix("lines with a time before each of them", re.compile(
        rb"(?:\[[a-z]+/[^\] ]{1,300}\] )?" + _ISO + rb" ")),
    Prefix("lines of kubectl", re.compile(rb"\[[a-z]+/[^\] ]{1,300}\] ")),
    Prefix("lines of grep with line numbers", re.compile(
        rb"(?P<name>[^\s:\"|\[{]*[^\s:\"|\[{0-9A-Fa-f][^\s:\"|\[{]*):(?P<number>[0-9]{1,18}):"),
        has_numbers=True),
    Prefix("lines of grep with line numbers", re.compile(
        rb"(?P<name>)(?P<number>[0-9]{1,18}):"), has_numbers=True),
    Prefix("lines of grep", re.compile(
        rb"[^\s:\"|\[{]*[^\s:\"|\[{0-9A-Fa-f][^\s:\"|\[{]*:(?=\S)")),
)  # fmt: skip
"""The known envelopes; the first one that fits is used."""
