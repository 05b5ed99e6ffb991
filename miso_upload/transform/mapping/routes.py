"""Routes: patterns of URLs, and the interactions that they stand for.

A pattern such as `/products/{product_ids}` or `/search?q={search.keywords}` matches URLs. The text
that a placeholder matches is percent-decoded and becomes the value of that attribute. `*` matches
one step of a path or a part of one, and `**` any number of steps. Of several placeholders in one
step, the first one takes as much text as it can, unless a `*` ends the step: then each placeholder
takes as little as it can. A placeholder can have a pattern (`{product_ids:[0-9]+}`). Parameters
match in any order, and others are ignored. The first route that matches counts.

Different spellings are one path: percent-encoded or not, with or without a slash at the end, with
double slashes, with parameters of a step (`;jsessionid=...`), with or without scheme and host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import parse_qsl, unquote

from miso_upload.errors import ConfigurationError
from miso_upload.transform.mapping.route_patterns import (
    LONGEST,
    check_pattern,
    check_ways,
    without_patterns,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = re.compile(r"\{([^{}/]+)\}|(\*\*)|(\*)")
_ENCODED_SLASH = re.compile("%2f", re.IGNORECASE)
_SLASH = "\udc2f"
"""Replaces a percent-encoded slash, which does not end a step. Decoding never returns this."""
_OF_A_STEP = re.compile(r";[^/]*")
_SLASHES = re.compile("//+")
_LONGEST_URL = 8_192
_MOST_PARAMETERS = 200


@dataclass(frozen=True, slots=True)
class Routing:
    """The routes of a mapping, and the columns that they read.

    Attributes:
        routes: The routes. The first one that matches counts; without routes, no row matches.
        url: The column of the URL or path; None if that is not configured.
        method: The column of the request method; None if that is not configured.
        otherwise: What to do with rows that no route matches; None if that is not configured.
    """

    routes: tuple[Route, ...] = ()
    url: str | None = None
    method: str | None = None
    otherwise: Literal["skip", "keep"] | None = None

    def over(self, lower: Routing) -> Routing:
        """Return these options, and those of `lower` for what is not configured here."""
        return Routing(
            self.routes or lower.routes,
            self.url or lower.url,
            self.method or lower.method,
            self.otherwise or lower.otherwise,
        )


@dataclass(frozen=True, slots=True)
class Route:
    """A pattern of URLs, and what their records have.

    Attributes:
        match: The pattern.
        attributes: Attributes and their values, besides those from the URL. The type is the first.
        methods: The request methods that match; empty for any.
        origin: Where the route was written, for messages.
    """

    match: str
    attributes: tuple[tuple[str, Any], ...] = ()
    methods: tuple[str, ...] = ()
    origin: str = ""


class CompiledRoute(NamedTuple):
    """The compiled pattern of a route.

    Attributes:
        path: Matches a reversed path; see `_backwards`.
        names: The attributes of the placeholders in the path, in order.
        query: For each parameter its name, its attribute or None, and the text that it must have.
        steps: Matches each text in the path that has several placeholders or a pattern, by the
            index of its group.
        patterns: The patterns of parameters, by their names.
    """

    path: re.Pattern[str]
    names: tuple[str, ...]
    query: tuple[tuple[str, str | None, str], ...]
    steps: Mapping[int, re.Pattern[str]]
    patterns: Mapping[str, re.Pattern[str]]

    def fits_path(self, path: str) -> bool:
        """Return whether a decoded path matches, ignoring parameters."""
        return self._texts(path) is not None

    def _texts(self, path: str) -> list[str] | None:
        """Return the text of each placeholder in a decoded path; None if it does not match."""
        found = self.path.fullmatch(path[::-1])
        if found is None:
            return None
        texts = [text[::-1] for text in reversed(found.groups())]
        if not self.steps:
            return texts
        inner: list[str] = []
        for i, text in enumerate(texts):
            step = self.steps.get(i)
            if step is None:
                inner.append(text)
                continue
            matched = step.fullmatch(text)
            if matched is None:
                return None
            inner += matched.groups()
        return inner

    def fit(self, path: str, parameters: str) -> dict[str, str] | None:
        """Return the text of each placeholder, by attribute; None if the URL does not match.

        The arguments are what `split_url` returns.
        """
        texts = self._texts(path)
        if texts is None:
            return None
        values = {
            name: text.replace(_SLASH, "/") for name, text in zip(self.names, texts, strict=True)
        }
        query = parameters_of(parameters) if self.query else {}
        for parameter, attribute, wanted in self.query:
            if parameter not in query:
                return None
            if attribute is not None:
                if not self._fits_pattern(parameter, query[parameter]):
                    return None
                values[attribute] = query[parameter]
            elif query[parameter] != wanted:
                return None
        return values

    def _fits_pattern(self, parameter: str, text: str) -> bool:
        pattern = self.patterns.get(parameter)
        return pattern is None or (len(text) <= LONGEST and pattern.fullmatch(text) is not None)


def compile_route(match: str) -> CompiledRoute:
    """Return the compiled pattern `match`.

    Raises:
        ConfigurationError: It does not begin with a slash, its braces do not pair, or it could be
            read in several ways.
    """
    plain, patterns = without_patterns(match)
    path, _, query = plain.partition("?")
    if not path.startswith("/"):
        raise ConfigurationError(f"{match!r} must begin with a slash")
    if re.search(r"[{}]", _TOKEN.sub("", plain)):
        raise ConfigurationError(f"{match!r} has an unpaired brace")
    several = path.count("**") > 1 or any(
        "**" in step and len(_TOKEN.findall(step)) > 1 for step in path.split("/")
    )
    if several or re.search(r"[}*][{]|[}]\*", path):
        raise ConfigurationError(f"{match!r} is ambiguous. Put text between its placeholders")
    names = tuple(token[1] for token in _TOKEN.finditer(path) if token[1])
    whole, steps = _with_whole_steps(match, path, patterns)
    of_query = _query(query)
    named = [parameter for parameter, attribute, _ in of_query if attribute is not None]
    return CompiledRoute(
        re.compile(_backwards(whole), re.DOTALL),
        names,
        of_query,
        steps,
        {
            parameter: _compiled(match, patterns[index])
            for index, parameter in enumerate(named, len(names))
            if index in patterns
        },
    )


def _compiled(match: str, pattern: str) -> re.Pattern[str]:
    check_ways(match, *check_pattern(match, pattern))
    return re.compile(pattern, re.DOTALL)


def _with_whole_steps(
    match: str, path: str, patterns: dict[int, str]
) -> tuple[str, dict[int, re.Pattern[str]]]:
    """Return a path with one placeholder for each step that has to be matched forward.

    These are steps with patterns, and steps whose placeholders are followed by a `*`.

    Returns:
        The path, and the regular expressions of the replaced steps by the index of their groups.
    """
    made: list[str] = []
    steps: dict[int, re.Pattern[str]] = {}
    index = groups = 0
    for step in path.split("/"):
        tokens = list(_TOKEN.finditer(step))
        own = {i: patterns.get(index + i) for i in range(sum(bool(each[1]) for each in tokens))}
        index += len(own)
        shortest = len(tokens) > 1 and tokens[-1][3] and all(each[1] for each in tokens[:-1])
        if not shortest and not any(own.values()):
            made.append(step)
            groups += len(own)
            continue
        steps[groups] = _forward(match, step, tokens, [own[i] for i in range(len(own))])
        made.append("{step}")
        groups += 1
    return "/".join(made), steps


def _forward(
    match: str, step: str, tokens: list[re.Match[str]], patterns: list[str | None]
) -> re.Pattern[str]:
    """Return the regular expression of a step, in which placeholders take as little as they can."""
    ends = [*(token.start() for token in tokens[1:]), len(step)]
    written, own = [re.escape(_decoded(step[: tokens[0].start()]))], iter(patterns)
    has_patterns = any(patterns)
    varying = alternatives = 0
    for token, end in zip(tokens, ends, strict=True):
        literal = re.escape(_decoded(step[token.end() : end]))
        pattern = next(own) if token[1] else None
        if pattern is not None:
            more = check_pattern(match, pattern)
            varying, alternatives = varying + more[0], alternatives + more[1]
            written.append(f"({pattern}){literal}")
        elif not token[1]:
            # Nothing is given back from the end of the step.
            varying += end < len(step) or bool(literal)
            written.append(f".*{literal}")
        elif has_patterns:
            varying += 1
            written.append(f"(.+?){literal}")
        else:
            written.append(f"(?>(.+?){literal})")
    if has_patterns:
        check_ways(match, varying, alternatives)
        written.insert(0, f"(?=.{{0,{LONGEST}}}\\Z)")
    return re.compile("".join(written), re.DOTALL)


def _backwards(path: str) -> str:
    """Return the regular expression of a route's path, for reversed paths.

    In a reversed path, the shortest match is the right one for every placeholder but the first of a
    step. So no other length has to be tried, and no URL can make the search backtrack.
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
        placeholder = re.fullmatch(r"\{(.+)\}", value)
        parts.append((parameter, placeholder[1] if placeholder else None, value))
    return tuple(parts)


def split_url(url: str) -> tuple[str, str] | None:
    """Return the decoded path of a URL or path, and its parameters as they are written.

    Never raises. Text that begins with two slashes is a path without a host, as in a request.

    Returns:
        None if the text is neither a URL nor a path.
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
    """Return the first value of each parameter of a URL; an empty dict if there are too many."""
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
