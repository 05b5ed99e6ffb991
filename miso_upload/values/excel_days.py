"""Reads the day numbers of spreadsheets: `45717.4166667` is 2025-03-01 at 10:00.

Excel counts days from the end of 1899 and takes 1900 for a leap year, so its numbers agree with the
calendar from 1 March 1900 on. The fraction is the time of day, rounded here to the second, because
spreadsheets show no more digits. Day numbers have no time zone.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

EXCEL = "excel"
"""The word for this format among strptime formats."""

_DAY_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 -- local, as all day numbers
_FIRST, _LAST = 61, 2_958_465
"""1 March 1900, and 31 December 9999."""
_USUAL_FIRST, _USUAL_LAST = 20_000, 80_000
"""1954 and 2119. As seconds since 1970 these numbers are times of the first day."""
_SECONDS = 86_400


def looks_like_day_number(number: Decimal) -> bool:
    """Return whether a number is rather a day of a spreadsheet than seconds since 1970."""
    return _USUAL_FIRST <= number <= _USUAL_LAST


def read_day_number(number: Decimal) -> tuple[datetime, bool] | None:
    """Return the local time of a day number, and whether it is a whole day.

    Returns:
        None if it is no day number from March 1900 to the year 9999.
    """
    if not _FIRST <= number < _LAST + 1:
        return None
    day = int(number)
    seconds = int(((number - day) * _SECONDS).quantize(Decimal(1), ROUND_HALF_EVEN))
    try:
        return _DAY_ZERO + timedelta(day, seconds), number == day
    except OverflowError:
        return None
