"""Telling bots from people by the User-Agent header, from a list that others maintain."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_CACHED = 65_536
_LONGEST = 512
"""So much of a header is looked at, which bounds the time that a hostile one takes."""


def is_bot(user_agent: str) -> bool:
    """Return whether the list knows this User-Agent as a bot's, a tool's or a library's.

    One that is empty or `-` says nothing, and is no bot by this rule.
    """
    return _is_bot(user_agent if len(user_agent) <= _LONGEST else user_agent[:_LONGEST])


@lru_cache(maxsize=_MOST_CACHED)
def _is_bot(user_agent: str) -> bool:
    return _listed()(user_agent)


@cache
def _listed() -> Callable[[str], bool]:
    # Some hundreds of patterns, which nothing but the log of a server needs.
    from crawleruseragents import is_crawler  # type: ignore[import-untyped]  # noqa: PLC0415

    is_crawler("")  # compiles them
    return is_crawler  # type: ignore[no-any-return]
