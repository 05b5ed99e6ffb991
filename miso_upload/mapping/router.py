"""Following the routes of a mapping: from a row's URL to values for its record."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from miso_upload.mapping.paths import reacher
from miso_upload.mapping.routes import compile_route, split_url
from miso_upload.mapping.rules import SkipRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from miso_upload.mapping.builder import Binding
    from miso_upload.mapping.routes import Routing


class Router:
    """Finds the route of a row, and what it says of the record.

    Args:
        routing: What the user said.
        bind: Returns how text becomes an attribute.

    Raises:
        MappingError: A route names an attribute that does not exist, or a value that does not fit.
    """

    def __init__(self, routing: Routing, bind: Callable[[str, str], Binding]) -> None:
        self._url = reacher(routing.url)
        self._method = reacher(routing.method) if routing.method else None
        self._keeps = routing.otherwise == "keep"
        self._routes = []
        for route in routing.routes:
            compiled = compile_route(route.match)
            places = [*compiled.names, *(name for _, name, _ in compiled.query if name)]
            bindings = {name: bind(name, route.origin) for name in places}
            constants = [(bind(name, route.origin), value) for name, value in route.attributes]
            self._routes.append((route, compiled, bindings, constants))
        self._found = lru_cache(maxsize=65_536)(self._find)

    def follow(self, row: dict[str, Any]) -> tuple[tuple[Binding, Any], ...]:
        """Return the values that the row's URL stands for.

        Raises:
            SkipRow: No route fits, or there is no URL.
        """
        url = self._url(row)
        method = self._method(row) if self._method else None
        found = self._found(url, method) if isinstance(url, str) else None
        if found is not None:
            return found
        if self._keeps:
            return ()
        raise SkipRow("no route fits")

    def _find(self, url: str, method: object) -> tuple[tuple[Binding, Any], ...] | None:
        parts = split_url(url)
        if parts is None:
            return None
        for route, compiled, bindings, constants in self._routes:
            if route.methods and method not in route.methods:
                continue
            places = compiled.fit(*parts)
            if places is not None:
                put = [(bindings[name], text) for name, text in places.items() if text]
                return (*constants, *put)
        return None
