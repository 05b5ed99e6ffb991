"""Divides templates, text with `{column}` placeholders, into their parts."""

from __future__ import annotations

import re

from miso_upload.errors import ConfigurationError

_PART = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|([^{}]+)")


def placeholders(template: str) -> tuple[str, ...]:
    """Return the columns or paths that a template names."""
    return tuple(name for _, name in parts_of(template) if name is not None)


def parts_of(template: str) -> list[tuple[str, str | None]]:
    """Return the parts of a template in order: literal text, or the column of a placeholder.

    Raises:
        ConfigurationError: A brace has no partner.
    """
    parts: list[tuple[str, str | None]] = []
    at = 0
    while at < len(template):
        found = _PART.match(template, at)
        if found is None:
            raise ConfigurationError(
                f"has the template {template!r} with an unpaired brace. Write {{{{ or }}}} for a "
                "literal brace"
            )
        parts.append((found[2] or found[0][0], found[1]))
        at = found.end()
    return parts
