"""Routes: which pages of a site are which interactions.

A pattern such as `/products/{product_ids}` or `/search?q={search.keywords}` stands for the URLs
that have its shape; what stands in a brace's place becomes that attribute, percent-decoded. `*`
stands for one step of a path or a part of one, `**` for any number of them. Of several places in
one step, each takes as much as it can before the next one does. Parameters may come in any order,
and others beside them do not matter. The first route that fits counts.

Many spellings are one path: percent-encoded or not, with or without a slash at the end, slashes
doubled, parameters of a step (`;jsessionid=...`) behind it, scheme and host before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import parse_qsl, unquote

from miso_upload.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = re.compile(r"\{([^{}/]+)\}|(\*\*)|(\*)")
_ENCODED_SLASH = re.compile("%2f", re.IGNORECASE)
_SLASH = "\udc2f"
"""A slash that was percent-encoded, which ends no step; percent-decoding never makes this."""
_OF_A_STEP = re.compile(r";[^/]*")
_SLASHES = re.compile("//+")
_LONGEST_URL = 8_192
_MOST_PARAMETERS = 200


@dataclass(frozen=True, slots=True)
class Routing:
    """Where a row has its URL, and what the URLs stand for.

    Attributes:
        routes: In order; the first that fits counts. Where there are none, none fits.
        url: The column of the URL or path; None where that is not said.
        method: The column of the request method, if there is one.
        otherwise: Skip the rows that no route fits, or keep them as they are.
    """

    routes: tuple[Route, ...] = ()
    url: str | None = None
    method: str | None = None
    otherwise: Literal["skip", "keep"] | None = None

    def over(self, lower: Routing) -> Routing:
        """Return what is said here, and what `lower` says of what is not."""
        return Routing(
            self.routes or lower.routes,
            self.url or lower.url,
            self.method or lower.method,
            self.otherwise or lower.otherwise,
        )


@dataclass(frozen=True, slots=True)
class Route:
    """One kind of page.

    Attributes:
        match: The pattern of its URLs.
        attributes: What its records have beside what the URL says, the type first of all.
        methods: The request methods that it takes; any if empty.
        origin: Where the user wrote it, for messages.
    """

    match: str
    attributes: tuple[tuple[str, Any], ...] = ()
    methods: tuple[str, ...] = ()
    origin: str = ""


class CompiledRoute(NamedTuple):
    """A route that URLs can be held against."""

    path: re.Pattern[str]
    """For a path that is written backwards; see `_backwards`."""
    names: tuple[str, ...]
    """The attributes of the pattern's places, in order."""
    query: tuple[tuple[str, str | None, str], ...]
    """`(parameter, attribute or None, text that it must be)`."""

    def fits_path(self, path: str) -> bool:
        """Return whether a decoded path has this shape, whatever its parameters are."""
        return self.path.fullmatch(path[::-1]) is not None

    def fit(self, path: str, parameters: str) -> dict[str, str] | None:
        """Return what the places of the pattern hold, or None where the URL has another shape.

        The arguments are what `split_url` returns.
        """
        found = self.path.fullmatch(path[::-1])
        if found is None:
            return None
        texts = (text[::-1] for text in reversed(found.groups()))
        places = {
            name: text.replace(_SLASH, "/") for name, text in zip(self.names, texts, strict=True)
        }
        query = parameters_of(parameters) if self.query else {}
        for parameter, attribute, wanted in self.query:
            if parameter not in query:
                return None
            if attribute is not None:
                places[attribute] = query[parameter]
            elif query[parameter] != wanted:
                return None
        return places


def compile_route(match: str) -> CompiledRoute:
    """Return the pattern `match`, ready to be used.

    Raises:
        ConfigurationError: It does not begin with a slash, its braces do not pair, or it could be
            read in several ways.
    """
    path, _, query = match.partition("?")
    if not path.startswith("/"):
        raise ConfigurationError(f"{match!r} must begin with /")
    if re.search(r"[{}]", _TOKEN.sub("", match)):
        raise ConfigurationError(f"{match!r} has a brace without its partner")
    several = path.count("**") > 1 or any(
        "**" in step and len(_TOKEN.findall(step)) > 1 for step in path.split("/")
    )
    if several or re.search(r"[}*][{]|[}]\*", path):
        raise ConfigurationError(f"{match!r} can be read in several ways; put text between places")
    names = tuple(token[1] for token in _TOKEN.finditer(path) if token[1])
    return CompiledRoute(re.compile(_backwards(path), re.DOTALL), names, _query(query))


def _backwards(path: str) -> str:
    """Return the pattern of a route's path, for paths that are written backwards.

    From behind, the shortest text that fits is the right one for every place but the first of a
    step, so none is ever tried at another length: no URL can make the search go back and forth.
    """
    tokens = list(_TOKEN.finditer(path))
    starts = [0, *(token.end() for token in tokens)]
    ends = [*(token.start() for token in tokens), len(path)]
    *before, last = [_decoded(path[start:end]) for start, end in zip(starts, ends, strict=True)]
    pattern = ["/?", re.escape(last.rstrip("/")[::-1])]
    for token, text in zip(reversed(tokens), reversed(before), strict=True):
        literal = re.escape(text[::-1])
        if token[2]:
            pattern.append(f".*?{literal}")
            continue
        some = ("[^/]+" if token[1] else "[^/]*") + ("" if "/" in text else "?")
        pattern.append(f"(?>{f'({some})' if token[1] else some}{literal})")
    return "".join(pattern)


def _query(text: str) -> tuple[tuple[str, str | None, str], ...]:
    parts = []
    for parameter, value in parse_qsl(text, keep_blank_values=True):
        place = re.fullmatch(r"\{(.+)\}", value)
        parts.append((parameter, place[1] if place else None, value))
    return tuple(parts)


def split_url(url: str) -> tuple[str, str] | None:
    """Return the path of a URL or path, decoded, and its parameters as they are written.

    None where the text is neither. Never raises. A path that begins with two slashes is one, and no
    host, as in a request.
    """
    if len(url) > _LONGEST_URL or not url:
        return None
    path, _, query = url.partition("#")[0].partition("?")
    if not path.startswith("/"):
        scheme, mark, rest = path.partition("://")
        if not (mark and scheme.isalpha()) and path:
            return None
        path = "/" + rest.partition("/")[2]
    if ";" in path:
        path = _OF_A_STEP.sub("", path)
    path = _decoded(path)
    if "//" in path:
        path = _SLASHES.sub("/", path)
    return path, query


@lru_cache(maxsize=1_024)
def parameters_of(query: str) -> Mapping[str, str]:
    """Return the parameters of a URL, each by its first value; none where there are too many."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        return {}
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


def _decoded(path: str) -> str:
    if "%" not in path:
        return path
    return unquote(_ENCODED_SLASH.sub(_SLASH, path))
