"""Finds the timestamp of the events: one column, or a date and a time of day in two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miso_upload.drafting.column_choice import example_of
from miso_upload.drafting.draft import Guess
from miso_upload.drafting.timestamp_styles import TimestampStyle, clock_format, timestamp_style
from miso_upload.drafting.vocabulary import OTHER_TIME_WORDS, TIME, TIME_WORDS, rank
from miso_upload.values.display import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.drafting.columns import Column

_OTHER_NAME = 100
_OTHER_TIME = 1_000


def timestamp_guess(columns: Sequence[Column]) -> Guess | None:
    """Return the guess for the timestamp, if a column looks like one."""
    single = [column for column in columns if not column.in_list and not column.has_lists]
    found = [(column, style) for column in single if (style := _style(column)) is not None]
    if not found:
        return None
    found.sort(key=lambda pair: _distance(pair[0]))
    column, style = found[0]
    others = [each for each, _ in found[1:4]]
    joined = _joined(column, single) if style.whole_days else None
    if joined is not None:
        clock, style = joined
        rule: dict[str, Any] = {"columns": [column.path, clock.path]}
        comment = f"{style.description}, joined from two columns"
    else:
        rule = {"column": column.path}
        comment = f"{style.description}, for example {example_of(column)}"
    choices: tuple[tuple[str, str], ...] = ()
    if style.format is not None and style.other_format is not None:
        choices = (("format", style.format), ("format", style.other_format))
    elif style.format is not None:
        rule["format"] = style.format
    unsure = _doubts(column, style)
    if others:
        named = ", ".join(each.path for each in others)
        unsure.append(f"other columns contain timestamps too: {named}.")
    return Guess(
        "timestamp", rule, comment, tuple(unsure), style.unzoned > 0, choices,
        "no value in the sample shows whether the day or the month comes first." if choices else "",
    )  # fmt: skip


def _style(column: Column) -> TimestampStyle | None:
    named = rank(column.names, TIME) is not None or bool(TIME_WORDS & set(column.words))
    if any(isinstance(value, bool) for _, value in column.values):
        return None
    style = timestamp_style(column.distinct, is_named=named)
    return style if style is not None and (named or not style.is_number) else None


def _distance(column: Column) -> float:
    """Return how unlikely a column is to be the timestamp, by its name."""
    position = rank(column.names, TIME)
    distance = float(_OTHER_NAME if position is None else position)
    if OTHER_TIME_WORDS & set(column.words):
        distance += _OTHER_TIME
    return distance + _OTHER_NAME * (1 - column.filled) + column.path.count(".")


def _joined(day: Column, columns: Sequence[Column]) -> tuple[Column, TimestampStyle] | None:
    """Return the column of the time of day for a column of dates, and the style of both joined."""
    days = dict(day.values)
    for clock in columns:
        if clock is day or clock_format(clock.distinct) is None:
            continue
        both = [f"{days[row]} {value}" for row, value in clock.values if row in days]
        style = timestamp_style(list(dict.fromkeys(both)))
        if style is not None and not style.whole_days:
            return clock, style
    return None


def _doubts(column: Column, style: TimestampStyle) -> list[str]:
    doubts = []
    if style.whole_days:
        doubts.append("these are dates without a time; each is read as the start of its day.")
    if style.unread:
        doubts.append(f"{style.unread:.1%} of the values cannot be read in this format.")
    if 0 < style.unzoned < 1 - style.unread:
        doubts.append(f"{style.unzoned:.0%} of the values have no time zone, the others do.")
    if column.filled < 1:
        none = column.rows - len(column.values)
        doubts.append(f"{counted(none, 'row')} without a value will be rejected.")
    return doubts
