"""Finds the route of a row's URL, and the values that it stands for."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.transform.mapping.builder import IDENTITY_COLUMNS
from miso_upload.transform.mapping.cells import CellError
from miso_upload.transform.mapping.outcomes import SkipRow
from miso_upload.transform.mapping.paths import getter
from miso_upload.transform.mapping.routes import compile_route, parameters_of, split_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from miso_upload.records.unmatched_paths import UnmatchedPaths
    from miso_upload.transform.mapping.builder import Binding
    from miso_upload.transform.mapping.routes import Routing

NO_ROUTE_FITS = "no route fits"
NO_ROUTES = "no routes are defined"
"""The name that rows are counted under if the mapping has no routes yet."""

_DEFAULT_COLUMN = "url"
_LONGEST_CACHED = 256
_IDENTITY = frozenset({*IDENTITY_COLUMNS, "context.ip"})
_PLAIN = (str, list, int, float)
_MOST_CACHED = 16_384


class Routed(NamedTuple):
    """The result of routing one URL.

    Attributes:
        values: The values for the record, not converted yet; None if no route fits.
        assignments: The values converted, each after the names of the objects around it and its
            own name, for the fast path; None if the exact path has to put them in.
        path: The path that no route fits.
        parameters: The parameters of that URL.
    """

    values: tuple[tuple[Binding, Any], ...] | None
    assignments: tuple[tuple[tuple[str, ...], str, Any], ...] | None = ()
    path: str | None = None
    parameters: Mapping[str, str] = {}


_NOWHERE = Routed(None)
_KEPT = Routed(())


class Router:
    """Finds the route of a row.

    Args:
        routing: The routes and options of the user.
        bind: Returns the binding of an attribute that a route names, given where it was written.

    Raises:
        MappingError: A route names an attribute that does not exist, or a value that does not fit.
    """

    def __init__(self, routing: Routing, bind: Callable[[str, str], Binding]) -> None:
        self._url = getter(routing.url or _DEFAULT_COLUMN)
        self._method = getter(routing.method) if routing.method else None
        self._keeps = routing.otherwise == "keep"
        self._skipped_as = NO_ROUTE_FITS if routing.routes else NO_ROUTES
        self._routes = []
        for route in routing.routes:
            compiled = compile_route(route.match)
            names = [*compiled.names, *(name for _, name, _ in compiled.query if name)]
            bindings = {name: bind(name, route.origin) for name in names}
            constants = [(bind(name, route.origin), value) for name, value in route.attributes]
            self._routes.append((route, compiled, bindings, constants))
        self._find_cached = lru_cache(maxsize=_MOST_CACHED)(self._find)

    def follow(self, row: dict[str, Any], unmatched_paths: UnmatchedPaths) -> Routed:
        """Return the values that the row's URL stands for.

        URLs that no route fits are counted in `unmatched_paths`.

        Raises:
            SkipRow: No route fits, or there is no URL.
        """
        url = self._url(row)
        if isinstance(url, str):
            method = self._method(row) if self._method else None
            # Long URLs are rare, and remembering them would take much memory.
            find = self._find_cached if len(url) <= _LONGEST_CACHED else self._find
            routed = find(url, method if isinstance(method, str) else None)
        else:
            routed = _NOWHERE
        if routed.values is not None:
            return routed
        if self._keeps:
            return _KEPT
        if routed.path is not None:
            unmatched_paths.count(routed.path, routed.parameters)
        raise SkipRow(self._skipped_as)

    def _find(self, url: str, method: str | None) -> Routed:
        parts = split_url(url)
        if parts is None:
            return _NOWHERE
        for route, compiled, bindings, constants in self._routes:
            if route.methods and method not in route.methods:
                continue
            found = compiled.fit(*parts)
            if found is not None:
                from_url = [(bindings[name], text) for name, text in found.items() if text]
                return _routed((*constants, *from_url))
        path, query = parts
        return Routed(None, None, path, parameters_of(query))


def _routed(values: tuple[tuple[Binding, Any], ...]) -> Routed:
    assignments: list[tuple[tuple[str, ...], str, Any]] = []
    for binding, text in values:
        try:
            value = text if binding.convert is None else binding.convert(text)
        except CellError:
            return Routed(values, None)
        is_identity = binding.attribute in _IDENTITY
        is_null = binding.nulls is not None and binding.nulls.found(text) is not None
        if is_identity or is_null or type(value) not in _PLAIN:
            return Routed(values, None)
        assignments.append((binding.parts[:-1], binding.parts[-1], value))
    return Routed(values, tuple(assignments))
