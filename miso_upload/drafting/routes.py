"""Which routes the paths of a site suggest, for a person to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from miso_upload.drafting.draft import RouteGuess
from miso_upload.drafting.vocabulary import (
    DOUBTFUL_PARAMETERS,
    FEED_PARAMETERS,
    FEED_STEPS,
    SEARCH_PARAMETERS,
    SECTIONS,
)
from miso_upload.drafting.writing import route_lines
from miso_upload.records.unmatched_paths import ANY
from miso_upload.transform.mapping.router import NO_ROUTES
from miso_upload.transform.mapping.routes import compile_route, split_url
from miso_upload.values.display import printable
from miso_upload.values.redaction import has_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miso_upload.records import Findings
    from miso_upload.records.unmatched_paths import PathNode, PathPattern, UnmatchedPaths

_MOST_SUGGESTED = 8
_MOST_LISTED = 8
_MANY_UNFIT = 0.1
_MANY_FEEDS = 0.2
_HOME = frozenset({"", "index.html", "index.htm", "index.php", "home", "default.aspx"})
_SAFE = "/-._~!$&'()+,:=@"
"""What stands in a path as it is; `{`, `}` and `*` mean something in a pattern."""


class Suggestions(NamedTuple):
    """Routes, and the pages that suggest none: their paths, with how often each was visited."""

    routes: list[RouteGuess]
    others: list[tuple[str, int]]


def suggested_routes(pages: UnmatchedPaths) -> Suggestions:
    """Return what the most visited pages suggest."""
    found: dict[str, RouteGuess] = {}
    rest: list[tuple[str, int]] = []
    for pattern in pages.patterns(SECTIONS):
        visits = pattern.visits
        for guess in _guesses(pattern):
            before = found.get(guess.match)
            found[guess.match] = guess._replace(
                visits=guess.visits + (before.visits if before else 0)
            )
            visits -= guess.visits
        if visits > 0:
            rest.append((_pattern(pattern.segments), visits))
    routes = sorted(found.values(), key=lambda route: -route.visits)[:_MOST_SUGGESTED]
    # The first that fits counts, so those that ask for more must stand before the others.
    routes.sort(key=lambda route: ("?" not in route.match, route.match.count(ANY)))
    compiled = [compile_route(route.match) for route in routes]
    others = []
    for path, visits in rest:
        parts = split_url(path)
        fits = (parts is not None and route.fit(*parts) is not None for route in compiled)
        place = next((place for place, does in enumerate(fits) if does), None)
        if place is None:
            others.append((path, visits))
        else:
            routes[place] = routes[place]._replace(visits=routes[place].visits + visits)
    return Suggestions(_looked_at(routes, pages), others)


def _looked_at(routes: list[RouteGuess], pages: UnmatchedPaths) -> list[RouteGuess]:
    """Return routes with an example each, unsure where many of their pages are feeds."""
    compiled = [compile_route(route.match) for route in routes]
    examples: list[tuple[int, str]] = [(0, "")] * len(routes)
    feeds = [0] * len(routes)
    for steps, page in pages.paths():
        path = _pattern(steps)
        parts = split_url(path)
        for place, route in enumerate(compiled):
            words = [name for name, _, _ in route.query]
            if parts is None or not route.fits_path(parts[0]):
                continue
            visits = min([page.visits, *(page.parameters[word] for word in words)])
            own = routes[place].match.partition("?")[0]
            if visits > examples[place][0] and ANY not in path and path != own:
                examples[place] = (visits, printable(path))
            feeds[place] += min(visits, _visits_of_feeds(steps, page))
    return [
        route._replace(example=example, unsure=_unsure(route, feed))
        for route, (_, example), feed in zip(routes, examples, feeds, strict=True)
    ]


def _visits_of_feeds(steps: tuple[str, ...], page: PathNode) -> int:
    """Return how many visits of a page seem to have asked for a form of it for machines."""
    if steps and steps[-1].lower() in FEED_STEPS:
        return page.visits
    return sum(
        visits for name, visits in page.parameters.items() if name.lower() in FEED_PARAMETERS
    )


def _unsure(route: RouteGuess, feeds: int) -> str:
    if feeds < _MANY_FEEDS * route.visits:
        return route.unsure
    said = f"{feeds:,} of them look like feeds (rss, atom), which are read by machines"
    return f"{route.unsure}; {said}" if route.unsure else said


def routes_advice(findings: Findings) -> list[str]:
    """Return what to say of visits that no route fits; nothing where they are few."""
    pages = findings.unmatched_paths
    visits = pages.visits
    if not visits:
        return []
    if not findings.skipped[NO_ROUTES]:
        if visits < _MANY_UNFIT * (visits + sum(findings.types.values())):
            return []
        listed = [f"{pattern.visits:>11,}  {_shown(pattern.segments)}" for pattern in
                  pages.patterns(SECTIONS)[:_MOST_LISTED]]  # fmt: skip
        return [f"\n{visits:,} visits fit no route; these pages most of all:", *listed]
    found = suggested_routes(pages)
    how_many = "1 visit is" if visits == 1 else f"{visits:,} visits are"
    advice = [f"\n{how_many} skipped, because no route says what the pages of the site are."]
    if found.routes:
        advice += [
            "Their paths suggest these. Look at each, and put what is right into a mapping file:",
            "",
            *route_lines(found.routes),
        ]
    if found.others:
        shown = ", ".join(f"{path} {count:,}" for path, count in found.others[:_MOST_LISTED])
        more = len(found.others) - _MOST_LISTED
        shown += f", and {more:,} more" if more > 0 else ""
        advice += ["", f"Other pages, of which nothing is known: {shown}"]
    return advice


def _guesses(pattern: PathPattern) -> Iterator[RouteGuess]:
    path = _pattern(pattern.segments)
    rest = pattern.visits
    word = max(
        (name for name in pattern.parameters if name.lower() in SEARCH_PARAMETERS),
        key=lambda name: pattern.parameters[name],
        default=None,
    )
    if word is not None:
        searches = min(pattern.parameters[word], rest)
        match = f"{path}?{quote(word, safe='')}={{search.keywords}}"
        plain = word.lower() not in DOUBTFUL_PARAMETERS or "search" in path.lower()
        unsure = "" if plain else f"{word} may be another parameter than words of a search"
        yield RouteGuess(match, "search", searches, unsure)
        rest -= searches
    if rest <= 0:
        return
    last = pattern.segments[-1] if pattern.segments else ""
    if len(pattern.segments) <= 1 and last.lower() in _HOME:
        yield RouteGuess(path, "home_page_view", rest)
    elif last.startswith(ANY) and len(pattern.segments) > 1:
        section = next((step for step in pattern.segments[-2::-1] if not step.startswith(ANY)), "")
        type_name, attribute = SECTIONS.get(section.lower(), ("product_detail_page_view", None))
        unsure = ""
        if attribute is None:
            unsure = f"behind {printable(section)} stand many names; are they products?"
        match = f"{_pattern(pattern.segments[:-1])}/{{{attribute or 'product_ids'}}}{last[1:]}"
        yield RouteGuess(match, type_name, rest, unsure)


def _pattern(steps: tuple[str, ...]) -> str:
    """Return the pattern of a path, in which places stand for any step."""
    return "/" + "/".join(step if step.startswith(ANY) else _literal(step) for step in steps)


def _literal(step: str) -> str:
    if has_address(step):
        return ANY
    plain = step.isprintable() and not any(mark in step for mark in '{}*?#;%\\"')
    return step if plain else quote(step, safe=_SAFE, errors="replace")


def _shown(steps: tuple[str, ...]) -> str:
    return printable(_pattern(steps))
