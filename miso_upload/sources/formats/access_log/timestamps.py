"""Converts timestamps and durations of logs to RFC 3339 and to seconds.

A log has many lines in each second, so results are cached. A timestamp without an offset stays
without one; `--timezone` names its zone.
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
"""`10/Oct/2000:13:55:36 -0700`, the format of NCSA httpd and of most servers since."""
ISO = "iso"
EPOCH = {"epoch s": 0, "epoch ms": 3, "epoch us": 6}
"""Units of time since 1970, and the power of ten of them in a second."""

NO_TIMESTAMP = Reason("the time", "is not a valid timestamp")

_CACHED = 8192
_LEAP_SECOND = 60
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_MONTHS_OF_OTHER_LANGUAGES = {
    name: number
    for number, names in enumerate((
        "jan janv jän jänn ene gen", "feb fév févr fev", "mar mär mrz mars märz maa mrt",
        "apr avr abr",
        "may mai mag mei maj", "jun juin giu juni", "jul juil lug juli", "aug août aoû ago",
        "sep sept set", "oct okt ott out", "nov", "dec dez déc dic",
    ), 1)
    for name in names.split()
}  # fmt: skip
"""Abbreviations in German, French, Spanish, Italian, Portuguese, Dutch and Swedish."""
_CLF_SHAPE = (
    "[0-9]{1,2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?"
    "(?: [+-][0-9]{4})?"
)
_CLF = re.compile(
    "([0-9]+)/([^/]+)/([0-9]+):([0-9]+):([0-9]+):([0-9]+)(?:[.,]([0-9]+))?"
    "(?: ([+-][0-9]{2}):?([0-9]{2}))?"
)
_ISO_SHAPE = (
    "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?"
    "(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_ANY_CLF_SHAPE = (
    r"[0-9]{1,2}/[^\W\d_][^\s\d/:\[\]\"]{2,5}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2}"
    f"(?:[.,][0-9]{{1,9}})?(?: [+-][0-9]{{2}}:?[0-9]{{2}})?|{_ISO_SHAPE}"
)
"""The shape of timestamps that servers write in place of NCSA's: other months, or ISO 8601."""
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
"""Patterns of the directives of strptime, by the letter after the percent sign."""
_SHORT = {"T": "%H:%M:%S", "R": "%H:%M", "F": "%Y-%m-%d", "D": "%m/%d/%y", "e": "%d", "h": "%b"}
"""Directives of strftime that strptime cannot read, and their equivalents."""
_DIRECTIVE = re.compile("%[-_0^#]?(.?)", re.DOTALL)


def as_strptime(form: str) -> str:
    """Return a strftime format with directives that strptime can read.

    Raises:
        ConfigurationError: A directive cannot be read.
    """

    def replacement(found: re.Match[str]) -> str:
        letter = found[1]
        if letter not in _DIRECTIVES and letter not in _SHORT:
            raise ConfigurationError(
                f"--log-format: miso-upload cannot read times with {quoted(found[0])}; use "
                "another directive"
            )
        return _SHORT.get(letter, f"%{letter}")

    return _DIRECTIVE.sub(replacement, form)


def check_readable(forms: Iterable[str]) -> None:
    """Check that timestamps with these parts can be read.

    Raises:
        ConfigurationError: The parts repeat a directive.
    """
    form = " ".join(form for form in forms if "%" in form)
    try:
        datetime.strptime("", form)  # noqa: DTZ007 -- only the format is checked
    except re.error:
        raise ConfigurationError(
            f"--log-format: the time format {quoted(form)} repeats a directive; remove one of them"
        ) from None
    except ValueError:
        pass  # the empty text does not match the format, which is valid


def shape(form: str, *, usual: bool = False) -> str:
    """Return a pattern for timestamps of a format; with `usual`, only as its manual defines it."""
    if form == CLF:
        return _CLF_SHAPE if usual else _ANY_CLF_SHAPE
    if form == ISO:
        return _ISO_SHAPE
    if form in EPOCH:
        return _EPOCH_SHAPE
    parts, at = [], 0
    for found in _DIRECTIVE.finditer(form):
        parts += [re.escape(form[at : found.start()]), _DIRECTIVES[found[1]]]
        at = found.end()
    return "".join([*parts, re.escape(form[at:])])


def are_parts(forms: Iterable[str]) -> bool:
    """Return whether fields of these formats are the parts of one timestamp."""
    forms = list(forms)
    return len(forms) > 1 and all("%" in form for form in forms)


def reader(form: str) -> Callable[[str], str | None]:
    """Return a function that converts a timestamp of a format to RFC 3339, or returns None."""
    return _READERS.get(form) or _by_format(form)


def join_parts(parts: Sequence[tuple[str, str]]) -> Callable[[dict[str, str]], Reason | None]:
    """Return a step that joins the parts of a row's `timestamp`, given by name and format."""
    names = [name for name, _ in parts]
    read = _by_format(" ".join(form for _, form in parts))

    def join(row: dict[str, str]) -> Reason | None:
        text = " ".join(row.pop(name, "") for name in names)
        if not text.strip():
            return None
        timestamp = read(text)
        if timestamp is None:
            return NO_TIMESTAMP
        row["timestamp"] = timestamp
        return None

    return join


@lru_cache(maxsize=_CACHED)
def read_clf(text: str) -> str | None:
    """Return a timestamp in NCSA's notation as RFC 3339; None if it is not valid."""
    found = _CLF.fullmatch(text)
    if found is None:
        return read_iso(text)
    day, name, year, hour, minute, second, fraction, hours, minutes = found.groups()
    month = _MONTHS.get(name) or _month(name)
    if month is None:
        return None
    date = f"{int(year):04}-{month:02}-{int(day):02}T{hour}:{minute}:{second}"
    date += f".{fraction}" if fraction else ""
    return _valid(date if hours is None else f"{date}{hours}:{minutes}")


def _month(name: str) -> int | None:
    """Return the number of a month in another language; None if it is unknown."""
    if not name.isascii():
        # A month in Latin-1 was decoded as UTF-8, and its other bytes were kept as surrogates.
        data = name.encode(errors="surrogateescape")
        name = name if name.isprintable() else data.decode("latin-1")
    return _MONTHS_OF_OTHER_LANGUAGES.get(name.rstrip(".").lower())


@lru_cache(maxsize=_CACHED)
def read_iso(text: str) -> str | None:
    """Return a date and a time of ISO 8601 as RFC 3339; None if they are not valid."""
    text = text.replace(" ", "T", 1).replace(",", ".")
    if text[-5:-4] in ("+", "-") and text[-4:].isdigit():
        text = f"{text[:-2]}:{text[-2:]}"
    return _valid(text)


def _valid(text: str) -> str | None:
    """Return an RFC 3339 text if its date and time exist; leap seconds do."""
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
            timestamp = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
        except OverflowError:
            return None
        return timestamp.isoformat()

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
    """Return a step that converts `request_time` to seconds.

    `form` is the power of ten of its units in a second, or `w3c`: then IIS writes integer
    milliseconds, and CloudFront seconds with a fraction.
    """

    def convert(row: dict[str, str]) -> None:
        text = row.get("request_time")
        if text is not None and not (form == "w3c" and "." in text):
            row["request_time"] = _in_seconds(text, 3 if form == "w3c" else int(form))

    return convert


def _in_seconds(text: str, power: int) -> str:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):  # noqa: PLR2004 -- 64 bits
        return text
    return f"{Decimal(text).scaleb(-power):f}"
