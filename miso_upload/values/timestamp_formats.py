"""Checks strptime formats: whether one can be read back, or is of days; swaps day and month."""

from __future__ import annotations

import re
import warnings
from datetime import datetime, time, timedelta, timezone
from functools import lru_cache

from miso_upload.errors import ConfigurationError
from miso_upload.values.excel_days import EXCEL

_SWAPPED = str.maketrans("dm", "md")
_SAMPLE = datetime(2019, 10, 23, 14, 5, 9, 123456, tzinfo=timezone(timedelta(hours=2)))


def check_format(form: str) -> None:
    """Check that a timestamp written in the format `form` can be read back.

    Raises:
        ConfigurationError: It cannot.
    """
    if form == EXCEL:
        return
    option = f"--timestamp-format {form}"
    if "%Z" in form.replace("%%", ""):
        raise ConfigurationError(
            f"{option}: %Z knows only the zone names of this machine; use %z for an offset, or "
            "write the zone name literally in the format and name the zone with --timezone"
        )
    try:
        read_back = _write_and_read(form)
    except (ValueError, LookupError, re.error) as error:
        raise ConfigurationError(f"{option}: {error}") from None
    if read_back.date() != _SAMPLE.date():
        raise ConfigurationError(
            f"{option}: the format lacks the year, the month or the day; use %Y, %m and %d"
        )
    if read_back.hour != _SAMPLE.hour and read_back.time() != time():
        raise ConfigurationError(
            f"{option}: the format lacks the hour of the day; use %H, or %I with %p"
        )


def _write_and_read(form: str) -> datetime:
    with warnings.catch_warnings():
        # Python warns about formats without a year, which `check_format` refuses.
        warnings.simplefilter("ignore")
        return datetime.strptime(_SAMPLE.strftime(form), form)  # noqa: DTZ007


@lru_cache
def is_day_format(form: str) -> bool:
    """Return whether `form` describes a date without a time of day."""
    return _write_and_read(form).time() == time()


def swapped(form: str) -> str:
    """Return a format with day and month swapped."""
    return form.translate(_SWAPPED)


def matches_swapped(text: str, formats: tuple[str, ...]) -> bool:
    """Return whether text is in one of the formats once its day and month are swapped."""
    for form in formats:
        if "%d" not in form or "%m" not in form:
            continue
        try:
            datetime.strptime(text, swapped(form))  # noqa: DTZ007 -- only the match matters
        except (ValueError, OverflowError):
            continue
        return True
    return False
