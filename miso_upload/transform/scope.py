"""Decides which records are outside the scope of a run: by their times, their types, or by chance.

A record that is outside is valid, counted, and not sent. Its row is not settled: if the scope of a
later run may include it, that run reads the input again, and content decides what is sent.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from miso_upload.errors import ConfigurationError
from miso_upload.records.outside import (
    AFTER,
    ANY_TYPE,
    BEFORE,
    INSIDE,
    UNDATED,
    OutsideRows,
    instant_of,
)
from miso_upload.transform.scope_times import time_of
from miso_upload.values.display import did_you_mean, quoted
from miso_upload.values.rfc3339 import parse_rfc3339

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime
    from typing import Any

    from miso_upload.records import Record
    from miso_upload.transform.options import ScopeOptions
    from miso_upload.values.regular_times import Timestamps

_NAMES = {BEFORE: "earlier than since", AFTER: "not earlier than until", UNDATED: "no timestamp"}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The records of a slice that are outside the scope.

    Attributes:
        indices: Their indices, in order.
        reasons: How many of them are outside for each reason.
        rows: Their types and times.
    """

    indices: Sequence[int] = ()
    reasons: Counter[str] = field(default_factory=Counter)
    rows: OutsideRows = field(default_factory=OutsideRows)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which records a run sends.

    Attributes:
        since: The first instant, in microseconds since 1970; None for no limit.
        until: The instant that ends the scope and is not part of it; None for no limit.
        only: The types to send; empty for all.
        skip: The types not to send.
        sample: The share of the rows that a dry run examines.
    """

    since: int | None = None
    until: int | None = None
    only: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()
    sample: float = 1.0

    @property
    def is_whole(self) -> bool:
        """Whether all records are inside."""
        return self.since is None and self.until is None and not (self.only or self.skip)

    def may_include(self, rows: OutsideRows) -> bool:
        """Return whether any row that was outside before may be inside now."""
        return any(
            (name == ANY_TYPE or self._has_type(name)) and self._may_include(side, first, last)
            for (name, side), (first, last) in rows.ranges.items()
        )

    def left_out(self, records: Sequence[Record], timestamps: Timestamps) -> LeftOut | None:
        """Return the valid records that are outside; None if all are inside."""
        if self.is_whole:
            return None
        sides = self._sides(timestamps)
        if sides is None and not (self.only or self.skip):
            return None
        found = LeftOut([], Counter(), OutsideRows())
        indices: list[int] = []
        for index, record in enumerate(records):
            name = record["type"]
            side = sides[index] if sides is not None else INSIDE
            if side == INSIDE and self._has_type(name):
                continue
            indices.append(index)
            time = _instant(timestamps.texts[index])
            if time is None:
                found.rows.add(name, UNDATED)
            else:
                found.rows.add(name, side, time, time)
            found.reasons[_NAMES.get(side) or f"type {name}"] += 1
        return LeftOut(indices, found.reasons, found.rows) if indices else None

    def _has_type(self, name: str) -> bool:
        return (not self.only or name in self.only) and name not in self.skip

    def _may_include(self, side: str, first: int, last: int) -> bool:
        if side == UNDATED:
            return self.since is None and self.until is None
        return (self.since is None or last >= self.since) and (
            self.until is None or first < self.until
        )

    def _sides(self, timestamps: Timestamps) -> list[str] | None:
        """Return where each record is in time; None if all are inside."""
        if self.since is None and self.until is None:
            return None
        uniform = timestamps.uniform
        if uniform is not None and {self._side(uniform.first), self._side(uniform.last)} == {
            INSIDE
        }:
            return None
        return list(map(self._side, timestamps.texts))

    def _side(self, text: Any) -> str:  # noqa: ANN401 -- None if the record has no timestamp
        time = _instant(text)
        if time is None:
            return UNDATED
        if self.since is not None and time < self.since:
            return BEFORE
        return AFTER if self.until is not None and time >= self.until else INSIDE


WHOLE = Scope()
"""The scope of a run that leaves nothing out."""


def scope_of(
    options: ScopeOptions, zone: str | None, types: Collection[str], now: datetime
) -> Scope:
    """Return the scope that the options describe.

    Args:
        options: The options.
        zone: The time zone of dates; None for UTC.
        types: The types of the schema.
        now: The time that a period such as `90d` ends at.

    Raises:
        ConfigurationError: A type does not exist, or no record can be inside.
    """
    _check_types("--only-type", options.only_type, types)
    _check_types("--skip-type", options.skip_type, types)
    since, until = (
        None if text is None else instant_of(time_of(text, zone, now))
        for text in (options.since, options.until)
    )
    if since is not None and until is not None and since >= until:
        raise ConfigurationError(
            f"--since {options.since} is not earlier than --until {options.until}, so no record "
            "is between them"
        )
    only, skip = frozenset(options.only_type), frozenset(options.skip_type)
    if both := sorted(only & skip):
        raise ConfigurationError(
            f"--only-type and --skip-type both name {both[0]}; remove it from one of them"
        )
    return Scope(since, until, only, skip, 1.0 if options.sample is None else options.sample)


def _check_types(flag: str, names: Iterable[str], types: Collection[str]) -> None:
    for name in names:
        if name not in types:
            near = did_you_mean(name, types) or ". 'miso-upload types' lists all types"
            raise ConfigurationError(
                f"{flag}: {quoted(name)} is not an interaction type of Miso{near}"
            )


def _instant(text: Any) -> int | None:  # noqa: ANN401
    time = parse_rfc3339(text) if isinstance(text, str) else None
    return None if time is None else instant_of(time)
