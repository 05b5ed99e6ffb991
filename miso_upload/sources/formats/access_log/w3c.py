"""Reads the W3C extended log file format, in which a `#Fields:` line names the columns.

IIS separates its columns by spaces and replaces each space in them by `+`. CloudFront separates
them by tabs and percent-encodes special characters. A column that contains spaces is between
quotes. Times are UTC. Sources: W3C Working Draft WD-logfile-960323, and the manuals of IIS and
CloudFront.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from miso_upload.records import Reason
from miso_upload.sources.formats.access_log import escapes
from miso_upload.sources.formats.access_log.fields import Field, named, steps_of
from miso_upload.sources.formats.access_log.timestamps import NO_TIMESTAMP, read_iso
from miso_upload.values.display import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from miso_upload.sources.formats.access_log.fields import Row

DIRECTIVE = b"#Fields:"

_ROLES = {
    "c-ip": Field("c-ip", "ip"),
    "x-forwarded-for": Field("x-forwarded-for", "forwarded_for"),
    "cs(x-forwarded-for)": Field("cs(X-Forwarded-For)", "forwarded_for", rank=1),
    "cs-username": Field("cs-username", "user"),
    "cs-method": Field("cs-method", "method"),
    "cs-uri": Field("cs-uri", "url"),
    "cs-uri-stem": Field("cs-uri-stem", "path"),
    "cs-uri-query": Field("cs-uri-query", "query"),
    "cs-version": Field("cs-version", "protocol"),
    "cs-protocol-version": Field("cs-protocol-version", "protocol", rank=1),
    "cs-protocol": Field("cs-protocol", "scheme"),
    "sc-status": Field("sc-status", "status"),
    "sc-bytes": Field("sc-bytes", "bytes"),
    "cs(referer)": Field("cs(Referer)", "referrer"),
    "cs(referrer)": Field("cs(Referrer)", "referrer"),
    "cs(user-agent)": Field("cs(User-Agent)", "user_agent"),
    "cs(cookie)": Field("cs(Cookie)", "cookie"),
    # With CloudFront, the host in the visitor's request is not the host that answers.
    "x-host-header": Field("x-host-header", "host"),
    "cs-host": Field("cs-host", "host", rank=1),
    "cs(host)": Field("cs(Host)", "host", rank=2),
    "time-taken": Field("time-taken", "request_time", form="w3c"),
}
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?")
_EMPTY = frozenset({"", "-"})
_HEADERS = ("user_agent", "cookie")
_DATE, _TIME = "@date", "@time"


@lru_cache(maxsize=64)
def reader_under(directive: bytes) -> Callable[[str], Row | Reason | None]:
    """Return a reader of the lines after a `#Fields:` line: it returns a row, or why it is bad."""
    names = directive.removeprefix(DIRECTIVE).decode(errors="replace").split()
    fields = named([_ROLES.get(name.lower()) or Field(name) for name in names])
    indices = {name.lower(): index for index, name in reversed(list(enumerate(names)))}
    keys = [field.name for field in fields]
    dated = "date" in indices and "time" in indices
    if dated:
        keys[indices["date"]], keys[indices["time"]] = _DATE, _TIME
    steps = steps_of(fields)
    width = len(keys)

    def read(line: str) -> Row | Reason | None:
        tabs = "\t" in line
        cells = line.split("\t" if tabs else " ") if tabs or '"' not in line else _cells(line)
        if len(cells) != width or line.startswith("#") or not line.strip():
            return None
        row = {key: cell for key, cell in zip(keys, cells, strict=True) if cell not in _EMPTY}
        if dated:
            problem = _join_timestamp(row)
            if problem is not None:
                return problem
        for step in steps:
            step(row)
        (_unpercent if tabs else _unplus)(row)
        return row

    return read


def wrong_width(line: str, directive: bytes) -> Reason:
    """Return the reason for a line without exactly the columns of its `#Fields:` line."""
    width = len(directive.removeprefix(DIRECTIVE).split())
    cells = line.split("\t") if "\t" in line else _cells(line)
    problem = f"does not match its #Fields line ({counted(width, 'column')})"
    return Reason("the line", problem, shown=f"({counted(len(cells), 'column')})")


def _cells(line: str) -> list[str]:
    """Return the columns between spaces; a column between quotes can contain spaces."""
    cells = []
    at, closes = 0, True
    while closes and at <= len(line):
        if line.startswith('"', at):
            end = line.find('" ', at + 1)
            if end < 0 and line.endswith('"') and at < len(line) - 1:
                end = len(line) - 1
            if end > at:
                cells.append(line[at + 1 : end].replace('""', '"'))
                at = end + 2
                continue
            closes = False
            break
        end = line.find(" ", at)
        cells.append(line[at:] if end < 0 else line[at:end])
        at = len(line) + 1 if end < 0 else end + 1
    return cells if closes else [*cells, *line[at:].split(" ")]


def _join_timestamp(row: Row) -> Reason | None:
    date, time = row.pop(_DATE, ""), row.pop(_TIME, "")
    if not (date or time):
        return None
    text = f"{date}T{time}"
    timestamp = read_iso(f"{text}Z") if _TIMESTAMP.fullmatch(text) else None
    if timestamp is None:
        return NO_TIMESTAMP
    row["timestamp"] = timestamp
    return None


def _unplus(row: Row) -> None:
    for name in _HEADERS:
        value = row.get(name)
        if value is not None and " " not in value:
            row[name] = escapes.without_pluses(value)


def _unpercent(row: Row) -> None:
    for name in _HEADERS:
        if name in row:
            row[name] = escapes.without_percents(row[name])
    for name in escapes.URLS:
        if name in row:
            row[name] = escapes.url_without_percents(row[name])
