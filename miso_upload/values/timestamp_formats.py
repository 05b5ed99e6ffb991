"""Formats of times as strptime has them: whether one can be meant, and what it is of."""

from __future__ import annotations

import re
import warnings
from datetime import datetime, time, timedelta, timezone
from functools import lru_cache

from miso_upload.errors import ConfigurationError

_SAMPLE = datetime(2019, 10, 23, 14, 5, 9, 123456, tzinfo=timezone(timedelta(hours=2)))


def check_format(form: str) -> None:
    """See to it that a moment that is written by `form` can be read back.

    Raises:
        ConfigurationError: It cannot.
    """
    option = f"--timestamp-format {form}"
    if "%Z" in form.replace("%%", ""):
        raise ConfigurationError(
            f"{option}: %Z knows only the zone names of this machine; use %z for an offset, or "
            "write the name as it stands in the data and give the zone with --timezone"
        )
    try:
        moment = _write_and_read(form)
    except (ValueError, LookupError, re.error) as error:
        raise ConfigurationError(f"{option}: {error}") from None
    if moment.date() != _SAMPLE.date():
        raise ConfigurationError(f"{option}: it takes year, month and day to make a date")
    if moment.hour != _SAMPLE.hour and moment.time() != time():
        raise ConfigurationError(f"{option}: the hour of the day is not in it; use %H, or %I %p")


def _write_and_read(form: str) -> datetime:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about formats without a year, which are refused anyway
        return datetime.strptime(_SAMPLE.strftime(form), form)  # noqa: DTZ007


@lru_cache
def is_day_format(form: str) -> bool:
    """Return whether `form` is of days, without a clock."""
    return _write_and_read(form).time() == time()
