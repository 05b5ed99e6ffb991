"""What an input is that is none of the formats, so that it can be said what to do instead."""

from __future__ import annotations

import re

from miso_upload.values.json import JSONDecodeError, decode

_LOOKED_AT = 512

_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}"
_DAY = r"[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}"
_LEVEL = r"(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)"
_LOGS = (
    (
        rf"[0-9]{{4}}/[0-9]{{2}}/[0-9]{{2}} {_CLOCK} \[[a-z]+\] [0-9]+#[0-9]+: ",
        "an nginx error log",
    ),
    (
        rf"\[[A-Z][a-z]{{2}} {_MONTH} [ 0-9][0-9] {_CLOCK}(?:\.[0-9]+)? [0-9]{{4}}\] \[",
        "an Apache error log",
    ),
    (
        (
            rf"(?:<[0-9]{{1,3}}>)?(?:1 )?(?:{_MONTH} [ 0-9][0-9] {_CLOCK}"
            rf"|{_DAY}T{_CLOCK}[^ ]{{0,20}}) [^ ]{{1,255}} [^ \[:]{{1,64}}(?:\[[0-9]+\])?: "
        ),
        "a syslog",
    ),
    (rf"<[0-9]{{1,3}}>1 {_DAY}T{_CLOCK}", "a syslog"),
    (
        rf"\[?{_DAY}[T ]{_CLOCK}.{{0,80}}?\b{_LEVEL}\b|{_LEVEL}:[\w.]+:",
        "the log of an application",
    ),
)
"""Patterns, compiled only where an input is not JSON."""

_WRAPPER = re.compile(
    rb'\{\s*"(data|records|rows|events|interactions|items|results)"\s*:\s*\[\s*(?=[{\]])'
)
_LIKELY = b"data"
"""What Miso's own requests call it; a row may well begin with any of the others."""


def binary_kind(head: bytes, *, sure: bool) -> str | None:
    """Return what a file that begins with `head` may be; None if it looks like text.

    Containers and documents are known by their first bytes before anything is read of them.

    Args:
        head: The beginning.
        sure: Somebody says what it is, so that it may hold a NUL.
    """
    if not sure and b"\0" in head[:_LOOKED_AT]:
        is_wide = 3 * head.count(b"\0", 0, _LOOKED_AT) > len(head[:_LOOKED_AT])
        return "UTF-16 without a mark (see --encoding), or binary" if is_wide else "binary"
    return None


def log_kind(data: bytes) -> str | None:
    """Return what kind of log begins with `data`, if it is one that holds no requests."""
    first = next((line for line in data.split(b"\n") if line.strip()), b"")
    text = first[:1_000].decode(errors="replace").lstrip()
    return next((kind for pattern, kind in _LOGS if re.match(pattern, text)), None)


def wrapper(body: bytes, *, whole: bool) -> str | None:
    """Return the key of the array of records in the single object that `body` begins, if it is one.

    Lines that are objects may begin like this too, so it must be spread over lines, or be alone and
    called as in Miso's own requests.

    Args:
        body: The beginning of the text.
        whole: It is all of the text.
    """
    found = _WRAPPER.match(body)
    if found is None:
        return None
    first, newline, rest = body.partition(b"\n")
    is_alone = (whole or not newline) and not rest.strip()
    if not is_alone and newline:
        try:
            decode(first)
        except JSONDecodeError:
            return found[1].decode()
        return None
    return _LIKELY.decode() if found[1] == _LIKELY else None
