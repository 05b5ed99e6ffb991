"""Finds POST requests that fill a cart in an access log, which the preset for visits skips."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from miso_upload.drafting.draft import CartRequests
from miso_upload.drafting.routes import cart_routes
from miso_upload.drafting.vocabulary import CART_WORDS
from miso_upload.records.unmatched_paths import UnmatchedPaths
from miso_upload.transform.mapping.paths import getter
from miso_upload.transform.mapping.routes import parameters_of, split_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WORD = re.compile(r"[a-z]+")
_SUCCESS = re.compile("2[0-9]{2}|302|303")
_REDIRECT = ("302", "303")


def cart_requests(rows: Sequence[object], columns: Mapping[str, str]) -> CartRequests | None:
    """Return the POST requests that seem to fill a cart; None if there are none.

    Args:
        rows: The rows of an access log.
        columns: The rows' names of columns, if they have others.
    """
    method_of, url_of, status_of = (
        getter(columns.get(name, name)) for name in ("method", "url", "status")
    )
    pages = UnmatchedPaths()
    redirects = 0
    for row in rows:
        if not isinstance(row, dict) or method_of(row) != "POST":
            continue
        url, status = url_of(row), str(status_of(row))
        parts = split_url(url) if isinstance(url, str) else None
        if parts is None or not _SUCCESS.fullmatch(status) or not _fills_cart(parts[0]):
            continue
        pages.count(parts[0], parameters_of(parts[1]))
        redirects += status in _REDIRECT
    routes = cart_routes(pages)
    return CartRequests(routes, pages.visits, redirects) if routes else None


def _fills_cart(path: str) -> bool:
    words = _WORD.findall(path.lower())
    return not CART_WORDS.isdisjoint([*words, *map("".join, pairwise(words))])
