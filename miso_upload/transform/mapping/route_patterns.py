r"""Compiles the patterns of placeholders in routes, such as `\d+` in `/p/{product_ids:\d+}-*`.

Patterns are a small part of regular expressions, so that no URL can take long to match: groups are
not repeated, and the number of ways to match a step of a path has a limit.
"""

from __future__ import annotations

import re
from math import comb

from miso_upload.errors import ConfigurationError

LONGEST = 256
"""Longer texts match no pattern."""
_MOST_WAYS = 3_000_000
_TOKEN = re.compile(
    r"""(?P<quantifier>(?:[*+?]|\{[0-9]{1,4}(?:,[0-9]{0,4})?\})[?+]?)
      | (?P<open>\(\?:) | (?P<close>\)) | (?P<or>\|)
      | (?P<text>\\[dDwWsS] | \\[^A-Za-z0-9] | \[\^?\]?(?:\\[^A-Za-z0-9]|\\[dDwWsS]|[^\]\\\[])*\]
                 | [^\\\[\](){}*+?|^$])""",
    re.VERBOSE,
)
_FIXED = re.compile(r"\{([0-9]+)(?:,\1)?\}")
_PLACEHOLDER = re.compile(r"\{([^{}/:]+):((?:[^{}\\/]|\\[^/]|\{[0-9,]*\})+)\}")


def without_patterns(match: str) -> tuple[str, dict[int, str]]:
    """Return a route without the patterns of its placeholders, and these by their index."""
    patterns: dict[int, str] = {}
    parts, at = [], 0
    placeholders = re.finditer(rf"{_PLACEHOLDER.pattern}|\{{[^{{}}/]+\}}", match)
    for index, found in enumerate(placeholders):
        if found[2] is not None:
            patterns[index] = found[2]
            parts += [match[at : found.start()], "{", found[1], "}"]
            at = found.end()
    return "".join([*parts, match[at:]]), patterns


def check_pattern(match: str, pattern: str) -> tuple[int, int]:
    """Check that a pattern is supported.

    Returns:
        The number of its parts whose length varies, and of its alternatives.

    Raises:
        ConfigurationError: The pattern is not supported.
    """
    at = varying = alternatives = 0
    before = "or"
    while at < len(pattern):
        found = _TOKEN.match(pattern, at)
        if found is None:
            raise ConfigurationError(
                f"{match!r}: the pattern {pattern!r} is not supported at {pattern[at:]!r}. It may "
                "have characters, classes such as \\d and [a-z], groups (?:...), | and the "
                "quantifiers *, +, ? and {n,m}"
            )
        kind, text = str(found.lastgroup), found[0]
        if kind == "quantifier":
            if before == "close" and text not in ("?", "??"):
                raise ConfigurationError(
                    f"{match!r}: the pattern {pattern!r} repeats a group, which could take long to "
                    "match. Repeat only characters and classes"
                )
            if text in ("?", "??"):
                alternatives += 1
            elif not _FIXED.fullmatch(text):
                varying += 1
        alternatives += kind == "or"
        before, at = kind, found.end()
    try:
        re.compile(pattern)
    except re.error as error:
        raise ConfigurationError(
            f"{match!r}: the pattern {pattern!r} is not a regular expression: {error}"
        ) from None
    return varying, alternatives


def check_ways(match: str, varying: int, alternatives: int) -> None:
    """Check that a text cannot be matched in too many ways.

    Raises:
        ConfigurationError: It could be.
    """
    if comb(LONGEST, varying) << alternatives > _MOST_WAYS:
        raise ConfigurationError(
            f"{match!r} could take long to match, because too many parts between two slashes have "
            "varying lengths. Use fewer *, +, ?, | and placeholders there"
        )
