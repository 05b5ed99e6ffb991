"""Finds the columns of IP addresses, user agents and pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from miso_upload.drafting import vocabulary as known
from miso_upload.drafting.column_choice import for_example, plain, ranked
from miso_upload.drafting.draft import Guess
from miso_upload.values.addresses import client_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.drafting.columns import Column

_MOST = 0.8
_BROWSER = re.compile(r"(?:Mozilla|Opera|Dalvik|okhttp|curl|Safari)/\d|python-requests/")
_URL = re.compile(r"(?:https?:)?//[^\s/]+|/[^\s]*", re.IGNORECASE)
_WHOLE_URL = re.compile(r"https?://", re.IGNORECASE)
_SERVERS = frozenset({"server", "host", "origin", "elb", "lb", "edge", "local", "dest", "target"})


def ip_guess(columns: Sequence[Column]) -> Guess | None:
    """Return the guess for the visitor's IP address."""
    usable = [column for column in plain(columns) if not _SERVERS & set(column.words)]
    named = ranked(usable, known.IP)
    for column in (*named, *(each for each in usable if each not in named)):
        if (
            column.share(client_address(text, None, 0) is not None for text in column.distinct)
            >= _MOST
        ):
            unsure: tuple[str, ...] = ()
            if column not in named:
                unsure = (
                    "this is guessed from the values only; it may be the address of a server.",
                )
            found = "an anonymous_id is derived from it for rows without an id; it is not sent"
            return Guess("ip", {"column": column.path}, found, unsure)
    return None


def browser_guess(columns: Sequence[Column]) -> Guess | None:
    """Return the guess for the User-Agent header."""
    usable = plain(columns)
    named = ranked(usable, known.USER_AGENT)
    for column in (*named, *(each for each in usable if each not in named)):
        share = column.share(_BROWSER.match(text) is not None for text in column.distinct)
        if share >= (_MOST if column not in named else 0.2):
            return Guess("user_agent", {"column": column.path})
    return None


def page_guesses(columns: Sequence[Column]) -> list[Guess]:
    """Return the guesses for the URL, the referrer and the title of the page.

    Miso requires a URL for a page, so there are no guesses without it.
    """
    usable = plain(columns)
    urls = [column for column in ranked(usable, known.URL) if _is_url(column)]
    if not urls:
        return []
    whole = [column for column in urls if _share_of_urls(column, _WHOLE_URL) >= _MOST]
    url = (whole or urls)[0]
    unsure = [] if whole else [
        'these are paths; { template = "https://shop.example{' + url.path + '}" } makes URLs of '
        "them."
    ]  # fmt: skip
    guesses = [Guess("context.page.url", {"column": url.path}, for_example(url), tuple(unsure))]
    with_url = {row for row, _ in url.values}
    for attribute, names in (
        ("context.page.referrer", known.REFERRER),
        ("context.page.title", known.TITLE),
    ):
        for column in ranked(usable, names):
            if column is not url and with_url.issuperset(row for row, _ in column.values):
                guesses.append(Guess(attribute, {"column": column.path}, for_example(column)))
                break
    return guesses


def _is_url(column: Column) -> bool:
    return _share_of_urls(column, _URL) >= _MOST


def _share_of_urls(column: Column, pattern: re.Pattern[str]) -> float:
    return column.share(pattern.match(text) is not None for text in column.distinct)
