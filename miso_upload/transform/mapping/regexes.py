"""Compiles the regular expressions of mapping files with RE2, whose time is linear in the text.

A pattern such as `(a+)+$` takes Python's own engine longer than a lifetime on thirty letters. RE2
has no such patterns, so a mapping file cannot make a run hang. It is an optional package, because
few mappings need it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from miso_upload.errors import ConfigurationError

_MISSING = (
    "needs another package for regular expressions; install it: pip install 'miso-upload[regex]'"
)


class Pattern(NamedTuple):
    """A compiled regular expression.

    Attributes:
        compiled: The pattern of RE2.
        groups: The number of its groups.
        names: The names of its groups.
    """

    compiled: Any
    groups: int
    names: tuple[str, ...]

    def find(self, text: str, group: int | str) -> str | None:
        """Return what a group matches in the first match; None if there is none.

        Raises:
            UnicodeError: The text has a lone surrogate.
        """
        found = self.compiled.search(text)
        matched: str | None = None if found is None else found[group]
        return matched

    def replaced(self, text: str, by: str) -> str:
        r"""Return `text` with all matches replaced; `\1` in `by` is the first group.

        Raises:
            UnicodeError: The text has a lone surrogate.
        """
        changed: str = self.compiled.sub(by, text)
        return changed


@lru_cache
def compile_regex(text: str) -> Pattern:
    """Return a compiled regular expression.

    Raises:
        ConfigurationError: RE2 is not installed, or the text is no pattern of RE2.
    """
    try:
        import re2  # noqa: PLC0415 -- optional
    except ImportError:
        raise ConfigurationError(_MISSING) from None
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(text, options)
    except (re2.error, UnicodeError) as error:
        reason = error.args[0] if error.args else error
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ConfigurationError(
            f"has a regular expression that RE2 cannot read: {reason}"
        ) from None
    return Pattern(compiled, compiled.groups, tuple(compiled.groupindex))


def check_replacement(pattern: Pattern, by: str) -> None:
    """Check that a replacement names only groups that the pattern has.

    Raises:
        ConfigurationError: It names another group.
    """
    try:
        pattern.compiled.sub(by, "")
        # A pattern that does not match "" does not show a wrong replacement, so it is expanded too.
        _check_references(by, pattern.groups)
    except (IndexError, ValueError, UnicodeError) as error:
        raise ConfigurationError(f"has a replacement that cannot be used: {error}") from None


def _check_references(by: str, groups: int) -> None:
    at = 0
    while (at := by.find("\\", at)) >= 0:
        following = by[at + 1 : at + 2]
        if following.isdecimal() and int(following) > groups:
            raise ValueError(f"the pattern has no group {following}")
        at += 2
