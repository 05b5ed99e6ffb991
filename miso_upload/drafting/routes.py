"""Suggests routes from the paths of a site, for a person to review."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from miso_upload.drafting.draft import RouteGuess
from miso_upload.drafting.vocabulary import (
    DOUBTFUL_PARAMETERS,
    DOUBTFUL_PRODUCT_PARAMETERS,
    FEED_PARAMETERS,
    FEED_STEPS,
    PRODUCT_PARAMETERS,
    SEARCH_PARAMETERS,
    SECTIONS,
)
from miso_upload.drafting.writing import route_lines
from miso_upload.records.unmatched_paths import ANY
from miso_upload.transform.mapping.router import NO_ROUTES
from miso_upload.transform.mapping.routes import compile_route, split_url
from miso_upload.values.display import counted, printable
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
"""Characters that need no encoding in a pattern; `{`, `}` and `*` have a special meaning."""


class Suggestions(NamedTuple):
    """Routes, and the paths of the pages without a suggestion, with their numbers of visits."""

    routes: list[RouteGuess]
    others: list[tuple[str, int]]


def suggested_routes(pages: UnmatchedPaths) -> Suggestions:
    """Return the routes that the most visited pages suggest."""
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
    # The first route that matches counts, so more specific routes come first.
    routes.sort(key=lambda route: ("?" not in route.match, route.match.count(ANY)))
    compiled = [compile_route(route.match) for route in routes]
    others = []
    for path, visits in rest:
        parts = split_url(path)
        matches = (parts is not None and route.fit(*parts) is not None for route in compiled)
        index = next((i for i, does in enumerate(matches) if does), None)
        if index is None:
            others.append((path, visits))
        else:
            routes[index] = routes[index]._replace(visits=routes[index].visits + visits)
    return Suggestions(_with_examples(routes, pages), others)


def _with_examples(routes: list[RouteGuess], pages: UnmatchedPaths) -> list[RouteGuess]:
    """Return routes with examples; those with many feeds among their pages are unsure."""
    compiled = [compile_route(route.match) for route in routes]
    examples: list[tuple[int, str]] = [(0, "")] * len(routes)
    feeds = [0] * len(routes)
    for steps, page in pages.paths():
        path = _pattern(steps)
        parts = split_url(path)
        for i, route in enumerate(compiled):
            words = [name for name, _, _ in route.query]
            if parts is None or not route.fits_path(parts[0]):
                continue
            visits = min([page.visits, *(page.parameters[word] for word in words)])
            own = routes[i].match.partition("?")[0]
            if visits > examples[i][0] and ANY not in path and path != own:
                examples[i] = (visits, printable(path))
            feeds[i] += min(visits, _visits_of_feeds(steps, page))
    return [
        route._replace(example=example, unsure=_unsure(route, feed))
        for route, (_, example), feed in zip(routes, examples, feeds, strict=True)
    ]


def _visits_of_feeds(steps: tuple[str, ...], page: PathNode) -> int:
    """Return how many visits of a page seem to be requests for a feed."""
    if steps and steps[-1].lower() in FEED_STEPS:
        return page.visits
    return sum(
        visits for name, visits in page.parameters.items() if name.lower() in FEED_PARAMETERS
    )


def _unsure(route: RouteGuess, feeds: int) -> str:
    if feeds < _MANY_FEEDS * route.visits:
        return route.unsure
    verb = "looks like a request" if feeds == 1 else "look like requests"
    doubt = f"{feeds:,} of them {verb} for a feed (RSS, Atom), not from people"
    return f"{route.unsure}; {doubt}" if route.unsure else doubt


def routes_advice(findings: Findings) -> list[str]:
    """Return advice about visits that match no route; empty if they are few."""
    pages = findings.unmatched_paths
    visits = pages.visits
    if not visits:
        return []
    if not findings.skipped[NO_ROUTES]:
        if visits < _MANY_UNFIT * (visits + sum(findings.types.values())):
            return []
        listed = [f"{pattern.visits:>11,}  {_shown(pattern.segments)}" for pattern in
                  pages.patterns(SECTIONS)[:_MOST_LISTED]]  # fmt: skip
        return [f"\n{counted(visits, 'visit')} matched no route. The most visited pages:", *listed]
    found = suggested_routes(pages)
    skipped = counted(visits, "visit")
    advice = [f"\nmiso-upload skipped {skipped}, because no routes describe the site's pages."]
    if found.routes:
        advice += [
            "Their paths suggest these routes. Check them, and add them to a mapping file:",
            "",
            *route_lines(found.routes),
        ]
    if found.others:
        shown = ", ".join(f"{path} {count:,}" for path, count in found.others[:_MOST_LISTED])
        more = len(found.others) - _MOST_LISTED
        shown += f", and {more:,} more" if more > 0 else ""
        advice += ["", f"Other pages, without a suggestion: {shown}"]
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
        unsure = "" if plain else f"the parameter {word} may not contain search keywords"
        yield RouteGuess(match, "search", searches, unsure)
        rest -= searches
    product = _product_parameter(pattern)
    if product is not None and rest > 0:
        views = min(pattern.parameters[product], rest)
        unsure = ""
        if product.lower() in DOUBTFUL_PRODUCT_PARAMETERS:
            unsure = f"the parameter {printable(product)} may not be the id of a product"
        match = f"{path}?{quote(product, safe='')}={{product_ids}}"
        if product.lower() == "add-to-cart":
            yield RouteGuess(match, "add_to_cart", views)
        else:
            yield RouteGuess(match, "product_detail_page_view", views, unsure)
        rest -= views
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
            unsure = f"many names follow {printable(section)}; are they products?"
        match = f"{_pattern(pattern.segments[:-1])}/{{{attribute or 'product_ids'}}}{last[1:]}"
        yield RouteGuess(match, type_name, rest, unsure)


def _product_parameter(pattern: PathPattern) -> str | None:
    """Return the parameter with the id of a product, if the pages of a pattern have one."""
    section = {word for step in pattern.segments for word in step.lower().split(".")}
    is_product = any(SECTIONS.get(word, ("",))[0] == "product_detail_page_view" for word in section)
    last = pattern.segments[-1] if pattern.segments else ""
    if last.startswith(ANY) and is_product:
        return None
    wanted = PRODUCT_PARAMETERS | ({"id"} if is_product else set())
    found = [name for name in pattern.parameters if name.lower() in wanted]
    return max(found, key=lambda name: pattern.parameters[name], default=None)


def cart_routes(pages: UnmatchedPaths) -> list[RouteGuess]:
    """Return routes for requests that fill carts, for the most frequent paths."""
    found = []
    for pattern in pages.patterns(SECTIONS)[:_MOST_SUGGESTED]:
        path = _pattern(pattern.segments)
        product = next((name for name in pattern.parameters
                        if name.lower() in PRODUCT_PARAMETERS | {"id"}), None)  # fmt: skip
        last = pattern.segments[-1] if pattern.segments else ""
        if product is not None:
            path = f"{path}?{quote(product, safe='')}={{product_ids}}"
        elif last.startswith(ANY):
            path = f"{_pattern(pattern.segments[:-1])}/{{product_ids}}{last[1:]}"
        found.append(RouteGuess(path, "add_to_cart", pattern.visits))
    return found


def _pattern(steps: tuple[str, ...]) -> str:
    """Return the pattern of a path, with placeholders for variable steps."""
    return "/" + "/".join(step if step.startswith(ANY) else _literal(step) for step in steps)


def _literal(step: str) -> str:
    if has_address(step):
        return ANY
    plain = step.isprintable() and not any(mark in step for mark in '{}*?#;%\\"')
    return step if plain else quote(step, safe=_SAFE, errors="replace")


def _shown(steps: tuple[str, ...]) -> str:
    return printable(_pattern(steps))
