"""Recognises bots by their User-Agent header, with the list of `crawler-user-agents`."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_CACHED = 65_536
_LONGEST = 512
"""The most characters of a header that are matched, which bounds the time for a hostile one."""


def is_bot(user_agent: str) -> bool:
    """Return whether the list has this User-Agent, as that of a bot, a tool or a library.

    An empty one and `-` are not listed.
    """
    return _is_bot(user_agent if len(user_agent) <= _LONGEST else user_agent[:_LONGEST])


@lru_cache(maxsize=_MOST_CACHED)
def _is_bot(user_agent: str) -> bool:
    return _listed()(user_agent)


@cache
def _listed() -> Callable[[str], bool]:
    # Hundreds of patterns, which only the logs of servers need.
    from crawleruseragents import is_crawler  # type: ignore[import-untyped]  # noqa: PLC0415

    is_crawler("")  # compiles them
    return is_crawler  # type: ignore[no-any-return]
