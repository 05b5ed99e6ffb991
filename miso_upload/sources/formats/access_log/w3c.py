"""The W3C extended log file format, whose lines say themselves which columns follow.

IIS puts a space between its columns and a `+` in place of each space in them; CloudFront puts a tab
between them and percent-encodes what would not fit. A column that holds spaces all the same stands
between quotes. Times are UTC. Source: W3C Working Draft WD-logfile-960323, and the manuals of IIS
and CloudFront.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from miso_upload.records import Reason
from miso_upload.sources.formats.access_log import escapes
from miso_upload.sources.formats.access_log.fields import Field, named, steps_of
from miso_upload.sources.formats.access_log.timestamps import NO_MOMENT, read_iso

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
    # Behind CloudFront, the host that the visitor asked for is not the one that answered.
    "x-host-header": Field("x-host-header", "host"),
    "cs-host": Field("cs-host", "host", rank=1),
    "cs(host)": Field("cs(Host)", "host", rank=2),
    "time-taken": Field("time-taken", "request_time", form="w3c"),
}
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?")
_NOTHING = frozenset({"", "-"})
_HEADERS = ("user_agent", "cookie")
_DATE, _TIME = "@date", "@time"


@lru_cache(maxsize=64)
def reader_under(directive: bytes) -> Callable[[str], Row | Reason | None]:
    """Return what reads lines under a `#Fields:` line: the row, or why the line is bad."""
    names = directive.removeprefix(DIRECTIVE).decode(errors="replace").split()
    fields = named([_ROLES.get(name.lower()) or Field(name) for name in names])
    places = {name.lower(): place for place, name in reversed(list(enumerate(names)))}
    keys = [field.name for field in fields]
    dated = "date" in places and "time" in places
    if dated:
        keys[places["date"]], keys[places["time"]] = _DATE, _TIME
    steps = steps_of(fields)
    width = len(keys)

    def read(line: str) -> Row | Reason | None:
        tabs = "\t" in line
        cells = line.split("\t" if tabs else " ") if tabs or '"' not in line else _cells(line)
        if len(cells) != width or line.startswith("#") or not line.strip():
            return None
        row = {key: cell for key, cell in zip(keys, cells, strict=True) if cell not in _NOTHING}
        if dated:
            problem = _put_moment(row)
            if problem is not None:
                return problem
        for step in steps:
            step(row)
        (_unpercent if tabs else _unplus)(row)
        return row

    return read


def uneven(line: str, directive: bytes) -> Reason:
    """Return the reason for a line that has not the columns that a `#Fields:` line names."""
    width = len(directive.removeprefix(DIRECTIVE).split())
    cells = line.split("\t") if "\t" in line else _cells(line)
    problem = f"does not have the {width} columns that #Fields names"
    return Reason("the line", problem, shown=f"of {len(cells)} columns")


def _cells(line: str) -> list[str]:
    """Return the columns between spaces; one between quotes may hold spaces itself."""
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


def _put_moment(row: Row) -> Reason | None:
    date, time = row.pop(_DATE, ""), row.pop(_TIME, "")
    if not (date or time):
        return None
    text = f"{date}T{time}"
    moment = read_iso(f"{text}Z") if _MOMENT.fullmatch(text) else None
    if moment is None:
        return NO_MOMENT
    row["timestamp"] = moment
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
