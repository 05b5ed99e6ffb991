"""When it happened: one column, or a date and a time of day in two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miso_upload.drafting.choosing import example_of
from miso_upload.drafting.draft import Guess
from miso_upload.drafting.times import Times, clock_format, times_of
from miso_upload.drafting.vocabulary import OTHER_TIME_WORDS, TIME, TIME_WORDS, rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.drafting.columns import Column

_NOT_NAMED = 100
_ELSEWHERE = 1_000


def moment_guess(columns: Sequence[Column]) -> Guess | None:
    """Return where the timestamp comes from, if any column looks like one."""
    single = [column for column in columns if not column.in_list and not column.has_lists]
    found = [(column, times) for column in single if (times := _times(column)) is not None]
    if not found:
        return None
    found.sort(key=lambda pair: _distance(pair[0]))
    column, times = found[0]
    others = [each for each, _ in found[1:4]]
    joined = _joined(column, single) if times.whole_days else None
    if joined is not None:
        clock, times = joined
        rule: dict[str, Any] = {"columns": [column.path, clock.path]}
        said = f"{times.said}, joined from two columns"
    else:
        rule = {"column": column.path}
        said = f"{times.said}, such as {example_of(column)}"
    if times.format is not None:
        rule["format"] = times.format
    unsure = _doubts(column, times)
    if others:
        named = ", ".join(each.path for each in others)
        unsure.append(f"other columns of times are there too: {named}.")
    return Guess("timestamp", rule, said, tuple(unsure), needs_zone=times.unzoned > 0)


def _times(column: Column) -> Times | None:
    named = rank(column.names, TIME) is not None or bool(TIME_WORDS & set(column.words))
    if any(isinstance(value, bool) for _, value in column.values):
        return None
    times = times_of(column.distinct)
    return times if times is not None and (named or not times.is_number) else None


def _distance(column: Column) -> float:
    """Return how far a column is from being called a timestamp."""
    place = rank(column.names, TIME)
    distance = float(_NOT_NAMED if place is None else place)
    if OTHER_TIME_WORDS & set(column.words):
        distance += _ELSEWHERE
    return distance + _NOT_NAMED * (1 - column.filled) + column.path.count(".")


def _joined(day: Column, columns: Sequence[Column]) -> tuple[Column, Times] | None:
    """Return the column of the times of day that belong to the days, and how both read together."""
    days = dict(day.values)
    for clock in columns:
        if clock is day or clock_format(clock.distinct) is None:
            continue
        both = [f"{days[row]} {value}" for row, value in clock.values if row in days]
        times = times_of(list(dict.fromkeys(both)))
        if times is not None and not times.whole_days:
            return clock, times
    return None


def _doubts(column: Column, times: Times) -> list[str]:
    doubts = []
    if times.other_format is not None:
        doubts.append(
            "no value of the sample tells the day from the month; if it is the other way round, "
            f'say format = "{times.other_format}".'
        )
    if times.whole_days:
        doubts.append("these are days without a time; each becomes the midnight it starts with.")
    if times.unread:
        doubts.append(f"{times.unread:.1%} of the values cannot be read as a time so.")
    if 0 < times.unzoned < 1 - times.unread:
        doubts.append(f"{times.unzoned:.0%} of the values name no zone, the others do.")
    if column.filled < 1:
        doubts.append(f"{column.rows - len(column.values):,} rows have none, and are rejected.")
    return doubts
