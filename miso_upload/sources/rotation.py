"""The files of a log that is rotated, in the order in which they were written.

    access.log.2.gz  access.log.1  access.log                    numbers that move
    access.log-20260301.gz  access.log                           dates that stay
    access-2026-03-01.log  access-2026-03-02.log                 a date in the midst of each name

The files of one log are those whose names are the same without numbers, dates and endings of
compression; of a URL, its query is no part. They are taken by the first time that stands in their
first rows, however they were named on the command line, since a shell that expands `access.log*`
puts the newest first. Where no time is found in a file, it stays where its name puts it: by its
date, or by its number from the highest down, and the file that has neither last. Files that are not
of one log keep their order.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.values.input_names import shown_name
from miso_upload.values.timestamps import TimestampReader, parse_rfc3339

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

_PACKED = re.compile(r"\.(?:gz|bz2|xz|lzma|zst|zip|lz4|Z)\Z", re.IGNORECASE)
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
    """Return names of inputs with those of each log changing places until the oldest comes first.

    Args:
        times: The `first_time` of each, in the order in which they were named.
    """
    ranks = {name: _rank(name) for name in times}
    logs: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(ranks, key=lambda name: (ranks[name], name)):
        logs[ranks[name].log].append(name)
    orders = {log: iter(_by_time(names, times)) for log, names in logs.items()}
    return [next(orders[ranks[name].log]) for name in times]


def superseded(names: Sequence[str], empty: Collection[str] = ()) -> set[str]:
    """Return those of `names`, which are in rotation order, that a newer file of their log follows.

    Args:
        names: Names of inputs.
        empty: Those with nothing in them yet, so that the log may still go on in the one before.
    """
    newest = {_rank(name).log: name for name in names if name not in empty}
    order = {name: place for place, name in enumerate(names)}
    return {
        name
        for name in names
        if (newer := newest.get(_rank(name).log)) is not None and order[newer] > order[name]
    }


def first_time(beginning: bytes) -> datetime | None:
    """Return the first moment that the first lines of a log name; None if there is none.

    A time without a zone counts as UTC: it is compared with its like.
    """
    for line in beginning.split(b"\n", _MOST_LINES)[:_MOST_LINES]:
        for found in _TIME.finditer(line.decode("latin-1")):
            reader = _CLF if found.lastgroup == "clf" else _OTHERS
            text = reader.read(found[found.lastgroup or 0].replace("\t", " ")).text
            moment = parse_rfc3339(text) if text else None
            if moment is not None:
                return moment
    return None


class _Rank(NamedTuple):
    """Where a name puts a file: with which log, and how old it is."""

    log: str
    is_current: bool
    date: str
    number: int


def _rank(of: str) -> _Rank:
    place, name = os.path.split(shown_name(of))
    name = _PACKED.sub("", name)
    date, number = "", 0
    found = _DATE.search(name)
    if found:
        date = _DIGITS.sub("", found[1])
        name = name[: found.start()] + name[found.end() :]
    counted = _NUMBER.search(name)
    if counted:
        # Beside a date, numbers count upwards.
        number = int(counted[1]) if found else -int(counted[1])
        name = name[: counted.start()] + name[counted.end() :]
    return _Rank(os.path.join(place, name), not (found or counted), date, number)  # noqa: PTH118


def _by_time(names: list[str], times: Mapping[str, datetime | None]) -> list[str]:
    """Order inputs by their times; one without a time keeps its place."""
    known = {name: moment for name in names if (moment := times[name]) is not None}
    in_order = iter(sorted(known, key=known.__getitem__))
    return [next(in_order) if name in known else name for name in names]
