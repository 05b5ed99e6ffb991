"""Recognises inputs in unsupported formats, so that messages can name a remedy."""

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
        "a syslog file",
    ),
    (rf"<[0-9]{{1,3}}>1 {_DAY}T{_CLOCK}", "a syslog file"),
    (
        rf"\[?{_DAY}[T ]{_CLOCK}.{{0,80}}?\b{_LEVEL}\b|{_LEVEL}:[\w.]+:",
        "an application log",
    ),
)
"""Patterns, compiled only where an input is not JSON."""

_WRAPPER = re.compile(
    rb'\{\s*"(data|records|rows|events|interactions|items|results)"\s*:\s*\[\s*(?=[{\]])'
)
_LIKELY = b"data"
"""The key in Miso's own requests; an ordinary row may begin with any of the other keys."""


def binary_kind(head: bytes, *, sure: bool) -> str | None:
    """Return a description of a file that is not text; None if it looks like text.

    Containers and documents are detected by their first bytes before this.

    Args:
        head: The beginning of the file.
        sure: The user or the name gives the format, so that it may contain a NUL.
    """
    if not sure and b"\0" in head[:_LOOKED_AT]:
        is_wide = 3 * head.count(b"\0", 0, _LOOKED_AT) > len(head[:_LOOKED_AT])
        if is_wide:
            return "binary, or UTF-16 without a byte order mark (name it: --encoding utf-16-le)"
        return "binary"
    return None


def log_kind(data: bytes) -> str | None:
    """Return the kind of a log without requests; None if `data` is not the beginning of one."""
    first = next((line for line in data.split(b"\n") if line.strip()), b"")
    text = first[:1_000].decode(errors="replace").lstrip()
    return next((kind for pattern, kind in _LOGS if re.match(pattern, text)), None)


def wrapper(body: bytes, *, whole: bool) -> str | None:
    """Return the key of the array of records if `body` is a single object with such an array.

    JSON lines can begin the same way. So the object must span several lines, or be the only line
    and use the key of Miso's own requests.

    Args:
        body: The beginning of the text.
        whole: Whether it is the whole text.
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
