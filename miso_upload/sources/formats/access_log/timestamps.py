"""Moments and durations as logs write them, turned into RFC 3339 and into seconds.

A log has many lines in each second, so what a text says is remembered. A moment that names no
offset stays one without an offset, and is for `--timezone`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from miso_upload.errors import ConfigurationError
from miso_upload.records import Reason
from miso_upload.values.display import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

CLF = "clf"
"""`10/Oct/2000:13:55:36 -0700`, as NCSA httpd wrote it and all others since."""
ISO = "iso"
EPOCH = {"epoch s": 0, "epoch ms": 3, "epoch us": 6}
"""Seconds since 1970 and fractions of them, by the power of ten that one second has."""

NO_MOMENT = Reason("the time", "names no moment")

_CACHED = 8192
_LEAP_SECOND = 60
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_CLF_SHAPE = (
    "[0-9]{1,2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?"
    "(?: [+-][0-9]{4})?"
)
_CLF = re.compile(
    "([0-9]+)/([A-Za-z]+)/([0-9]+):([0-9]+):([0-9]+):([0-9]+)(?:[.,]([0-9]+))?"
    "(?: ([+-][0-9]{2})([0-9]{2}))?"
)
_ISO_SHAPE = (
    "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?"
    "(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_EPOCH_SHAPE = r"[0-9]{1,18}+(?:\.[0-9]{1,9}+)?+"

_DIRECTIVES = {
    **dict.fromkeys("dmHMSyI", "[0-9 ]{1,2}"),
    "Y": "[0-9]{4}",
    "j": "[0-9]{3}",
    "f": "[0-9]{1,6}",
    **dict.fromkeys("bBaAp", r"[^\W\d_]{1,20}+\.?+"),
    "z": "(?:Z|[+-][0-9]{2}:?[0-9]{2})",
    "%": "%",
}
"""What strptime reads, by the letter behind the percent sign."""
_SHORT = {"T": "%H:%M:%S", "R": "%H:%M", "F": "%Y-%m-%d", "D": "%m/%d/%y", "e": "%d", "h": "%b"}
"""What strftime can write and strptime cannot read, in longer words."""
_DIRECTIVE = re.compile("%[-_0^#]?(.?)", re.DOTALL)


def written_out(form: str) -> str:
    """Return a strftime format in words that strptime knows.

    Raises:
        ConfigurationError: It has a directive that cannot be read.
    """

    def long(found: re.Match[str]) -> str:
        letter = found[1]
        if letter not in _DIRECTIVES and letter not in _SHORT:
            raise ConfigurationError(
                f"--log-format: times written with {quoted(found[0])} cannot be read"
            )
        return _SHORT.get(letter, f"%{letter}")

    return _DIRECTIVE.sub(long, form)


def see_readable(forms: Iterable[str]) -> None:
    """See to it that moments of these forms, together, can be read.

    Raises:
        ConfigurationError: They say a part of a moment twice.
    """
    form = " ".join(form for form in forms if "%" in form)
    try:
        datetime.strptime("", form)  # noqa: DTZ007 -- only whether it is a form
    except re.error:
        raise ConfigurationError(
            f"--log-format: times written with {quoted(form)} say a part of them twice"
        ) from None
    except ValueError:
        pass  # nothing is no such moment


def shape(form: str) -> str:
    """Return a pattern for moments of a form."""
    if form == CLF:
        return _CLF_SHAPE
    if form == ISO:
        return _ISO_SHAPE
    if form in EPOCH:
        return _EPOCH_SHAPE
    parts, at = [], 0
    for found in _DIRECTIVE.finditer(form):
        parts += [re.escape(form[at : found.start()]), _DIRECTIVES[found[1]]]
        at = found.end()
    return "".join([*parts, re.escape(form[at:])])


def go_together(forms: Iterable[str]) -> bool:
    """Return whether moments of these forms are the parts of one."""
    forms = list(forms)
    return len(forms) > 1 and all("%" in form for form in forms)


def reader(form: str) -> Callable[[str], str | None]:
    """Return what reads a moment of a form: as RFC 3339, or None where the text names none."""
    return _READERS.get(form) or _by_format(form)


def put_together(parts: Sequence[tuple[str, str]]) -> Callable[[dict[str, str]], Reason | None]:
    """Return what makes the `timestamp` of a row of parts, each of a name and a form."""
    names = [name for name, _ in parts]
    read = _by_format(" ".join(form for _, form in parts))

    def put(row: dict[str, str]) -> Reason | None:
        text = " ".join(row.pop(name, "") for name in names)
        if not text.strip():
            return None
        moment = read(text)
        if moment is None:
            return NO_MOMENT
        row["timestamp"] = moment
        return None

    return put


@lru_cache(maxsize=_CACHED)
def read_clf(text: str) -> str | None:
    """Return the moment that NCSA's notation names, as RFC 3339; None if it names none."""
    found = _CLF.fullmatch(text)
    if found is None:
        return None
    day, name, year, hour, minute, second, fraction, hours, minutes = found.groups()
    month = _MONTHS.get(name)
    if month is None:
        return None
    date = f"{int(year):04}-{month:02}-{int(day):02}T{hour}:{minute}:{second}"
    date += f".{fraction}" if fraction else ""
    return _valid(date if hours is None else f"{date}{hours}:{minutes}")


@lru_cache(maxsize=_CACHED)
def read_iso(text: str) -> str | None:
    """Return the moment that a date and a time of ISO 8601 name, as RFC 3339; None if none."""
    text = text.replace(" ", "T", 1).replace(",", ".")
    if text[-5:-4] in ("+", "-") and text[-4:].isdigit():
        text = f"{text[:-2]}:{text[-2:]}"
    return _valid(text)


def _valid(text: str) -> str | None:
    """Return an RFC 3339 text if there is such a moment; a leap second is one."""
    leap = text[17:19] == str(_LEAP_SECOND)
    try:
        datetime.fromisoformat(f"{text[:17]}59{text[19:]}" if leap else text)
    except ValueError:
        return None
    return text


def _by_epoch(power: int) -> Callable[[str], str | None]:
    @lru_cache(maxsize=_CACHED)
    def read(text: str) -> str | None:
        microseconds = int(Decimal(text).scaleb(6 - power))
        try:
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
        except OverflowError:
            return None
        return moment.isoformat()

    return read


def _by_format(form: str) -> Callable[[str], str | None]:
    @lru_cache(maxsize=_CACHED)
    def read(text: str) -> str | None:
        try:
            return datetime.strptime(text, form).isoformat()  # noqa: DTZ007 -- see --timezone
        except ValueError:
            return None

    return read


_READERS: dict[str, Callable[[str], str | None]] = {
    CLF: read_clf,
    ISO: read_iso,
    **{form: _by_epoch(power) for form, power in EPOCH.items()},
}


def duration(form: str) -> Callable[[dict[str, str]], None]:
    """Return what turns `request_time` into seconds.

    `form` is the power of ten of these units that a second has; or `w3c` for what IIS writes in
    whole milliseconds and CloudFront in seconds with a fraction.
    """

    def put(row: dict[str, str]) -> None:
        text = row.get("request_time")
        if text is not None and not (form == "w3c" and "." in text):
            row["request_time"] = _in_seconds(text, 3 if form == "w3c" else int(form))

    return put


def _in_seconds(text: str, power: int) -> str:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):  # noqa: PLR2004 -- 64 bits
        return text
    return f"{Decimal(text).scaleb(-power):f}"
