"""Following the routes of a mapping: from a row's URL to values for its record."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.transform.mapping.builder import IDENTITY_COLUMNS
from miso_upload.transform.mapping.cells import CellError
from miso_upload.transform.mapping.paths import reacher
from miso_upload.transform.mapping.routes import compile_route, parameters_of, split_url
from miso_upload.transform.mapping.rules import SkipRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from miso_upload.records.unmatched_paths import UnmatchedPaths
    from miso_upload.transform.mapping.builder import Binding
    from miso_upload.transform.mapping.routes import Routing

NO_ROUTE_FITS = "no route fits"
NO_ROUTES = "no route says what it is"
"""What rows are counted under where nobody has said yet what any page of the site is."""

_DEFAULT_COLUMN = "url"
_LONGEST_CACHED = 256
_OF_THE_VISITOR = frozenset({*IDENTITY_COLUMNS, "context.ip"})
_PLAIN = (str, list, int, float)
_MOST_CACHED = 16_384


class Routed(NamedTuple):
    """Where a URL leads: values for the record, or None and the page that no route knows."""

    values: tuple[tuple[Binding, Any], ...] | None
    puts: tuple[tuple[tuple[str, ...], str, Any], ...] | None = ()
    """The values as the schema wants them, each with the objects that it is in and its name there;
    None where they have to be looked at closely. They are the same for many rows."""
    path: str | None = None
    parameters: Mapping[str, str] = {}


_NOWHERE = Routed(None)
_KEPT = Routed(())


class Router:
    """Finds the route of a row, and what it says of the record.

    Args:
        routing: What the user said.
        bind: Returns how text becomes an attribute.

    Raises:
        MappingError: A route names an attribute that does not exist, or a value that does not fit.
    """

    def __init__(self, routing: Routing, bind: Callable[[str, str], Binding]) -> None:
        self._url = reacher(routing.url or _DEFAULT_COLUMN)
        self._method = reacher(routing.method) if routing.method else None
        self._keeps = routing.otherwise == "keep"
        self._skipped_as = NO_ROUTE_FITS if routing.routes else NO_ROUTES
        self._routes = []
        for route in routing.routes:
            compiled = compile_route(route.match)
            places = [*compiled.names, *(name for _, name, _ in compiled.query if name)]
            bindings = {name: bind(name, route.origin) for name in places}
            constants = [(bind(name, route.origin), value) for name, value in route.attributes]
            self._routes.append((route, compiled, bindings, constants))
        self._found = lru_cache(maxsize=_MOST_CACHED)(self._find)

    def follow(self, row: dict[str, Any], unmatched_paths: UnmatchedPaths) -> Routed:
        """Return what the row's URL stands for.

        A page that no route fits is counted in `unmatched_paths`.

        Raises:
            SkipRow: No route fits, or there is no URL.
        """
        url = self._url(row)
        if isinstance(url, str):
            method = self._method(row) if self._method else None
            # Few URLs are long, and it would take much memory to remember those.
            find = self._found if len(url) <= _LONGEST_CACHED else self._find
            followed = find(url, method if isinstance(method, str) else None)
        else:
            followed = _NOWHERE
        if followed.values is not None:
            return followed
        if self._keeps:
            return _KEPT
        if followed.path is not None:
            unmatched_paths.count(followed.path, followed.parameters)
        raise SkipRow(self._skipped_as)

    def _find(self, url: str, method: str | None) -> Routed:
        parts = split_url(url)
        if parts is None:
            return _NOWHERE
        for route, compiled, bindings, constants in self._routes:
            if route.methods and method not in route.methods:
                continue
            places = compiled.fit(*parts)
            if places is not None:
                put = [(bindings[name], text) for name, text in places.items() if text]
                return _routed((*constants, *put))
        path, query = parts
        return Routed(None, None, path, parameters_of(query))


def _routed(values: tuple[tuple[Binding, Any], ...]) -> Routed:
    puts: list[tuple[tuple[str, ...], str, Any]] = []
    for binding, text in values:
        try:
            value = text if binding.convert is None else binding.convert(text)
        except CellError:
            return Routed(values, None)
        is_side = binding.attribute in _OF_THE_VISITOR
        if is_side or type(value) not in _PLAIN:
            return Routed(values, None)
        puts.append((binding.parts[:-1], binding.parts[-1], value))
    return Routed(values, tuple(puts))
