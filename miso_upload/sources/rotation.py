"""Sorts the files of a rotated log into the order in which they were written.

    access.log.2.gz  access.log.1  access.log                    numbers that shift
    access.log-20260301.gz  access.log                           dates that stay
    access-2026-03-01.log  access-2026-03-02.log                 dates inside the names

Files belong to one log if their names are equal without numbers, dates and compression suffixes,
and without the query of a URL. They are sorted by the first timestamp in their first rows, whatever
their order on the command line, because a shell that expands `access.log*` puts the newest first. A
file without a timestamp keeps the position that its name gives: by its date, or by its number in
descending order; a file with neither comes last. Files of different logs keep their order.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.values.input_names import shown_name
from miso_upload.values.rfc3339 import parse_rfc3339
from miso_upload.values.timestamps import TimestampReader

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

_COMPRESSED = re.compile(r"\.(?:gz|bz2|xz|lzma|zst|zip|lz4|Z)\Z", re.IGNORECASE)
_NUMBER = re.compile(r"\.([0-9]{1,4})(?=\Z|\.[A-Za-z]{1,8}\Z)")
_DATE = re.compile(
    r"(?<![0-9])[-._]?((?:19|20)[0-9]{2}([-._]?)(?:0[1-9]|1[0-2])\2(?:0[1-9]|[12][0-9]|3[01])"
    r"(?:[-._T]?(?:[01][0-9]|2[0-3])(?:[-._]?[0-5][0-9]){0,2})?)(?![0-9])"
)
_DIGITS = re.compile(r"[^0-9]+")

_MOST_LINES = 100
_TIME = re.compile(
    r"\[(?P<clf>[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4})\]"
    r"|(?<![0-9])(?P<iso>[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt \t][0-9]{2}:[0-9]{2}(?::[0-9]{2}"
    r"(?:[.,][0-9]{1,9})?)?(?: ?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2}))?)(?![0-9:])"
    # An epoch number from the years 2001 to 2033, as a cell or a value of its own.
    r"|(?<![^\s,;|:\"\[])(?P<epoch>1[0-9]{9}(?:\.[0-9]{1,9}|[0-9]{3}|[0-9]{6}|[0-9]{9})?)"
    r"(?![^\s,;|\"\]}])"
)
_CLF = TimestampReader(formats=("%d/%b/%Y:%H:%M:%S %z",))
_OTHERS = TimestampReader(zone="UTC")


def in_rotation_order(times: Mapping[str, datetime | None]) -> list[str]:
    """Return the names of inputs, with the files of each log sorted from oldest to newest.

    Args:
        times: The `first_time` of each input, in the order of the command line.
    """
    ranks = {name: _rank(name) for name in times}
    logs: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(ranks, key=lambda name: (ranks[name], name)):
        logs[ranks[name].log].append(name)
    orders = {log: iter(_by_time(names, times)) for log, names in logs.items()}
    return [next(orders[ranks[name].log]) for name in times]


def superseded(names: Sequence[str], empty: Collection[str] = ()) -> set[str]:
    """Return the inputs that a newer file of the same log follows.

    Args:
        names: Names of inputs in rotation order.
        empty: The inputs that are still empty; their log may still be written to the file before.
    """
    newest = {_rank(name).log: name for name in names if name not in empty}
    order = {name: index for index, name in enumerate(names)}
    return {
        name
        for name in names
        if (newer := newest.get(_rank(name).log)) is not None and order[newer] > order[name]
    }


def first_time(beginning: bytes) -> datetime | None:
    """Return the first timestamp in the first lines of a log; None if there is none.

    A time without a zone counts as UTC, because it is compared with others of the same log only.
    """
    for line in beginning.split(b"\n", _MOST_LINES)[:_MOST_LINES]:
        for found in _TIME.finditer(line.decode("latin-1")):
            reader = _CLF if found.lastgroup == "clf" else _OTHERS
            text = reader.read(found[found.lastgroup or 0].replace("\t", " ")).text
            timestamp = parse_rfc3339(text) if text else None
            if timestamp is not None:
                return timestamp
    return None


class _Rank(NamedTuple):
    """The log that a file name belongs to, and its age."""

    log: str
    is_current: bool
    date: str
    number: int


def _rank(input_name: str) -> _Rank:
    directory, name = os.path.split(shown_name(input_name))
    name = _COMPRESSED.sub("", name)
    date, number = "", 0
    found = _DATE.search(name)
    if found:
        date = _DIGITS.sub("", found[1])
        name = name[: found.start()] + name[found.end() :]
    counted = _NUMBER.search(name)
    if counted:
        # Numbers after a date count upwards.
        number = int(counted[1]) if found else -int(counted[1])
        name = name[: counted.start()] + name[counted.end() :]
    return _Rank(os.path.join(directory, name), not (found or counted), date, number)  # noqa: PTH118


def _by_time(names: list[str], times: Mapping[str, datetime | None]) -> list[str]:
    """Sort inputs by their timestamps; an input without one keeps its position."""
    known = {name: first for name in names if (first := times[name]) is not None}
    in_order = iter(sorted(known, key=known.__getitem__))
    return [next(in_order) if name in known else name for name in names]
