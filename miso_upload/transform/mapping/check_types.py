"""Checks the interaction types that rules and routes name, before a row is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.errors import MappingError
from miso_upload.transform.mapping.paths import ABSENT
from miso_upload.values.display import did_you_mean, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from miso_upload.transform.mapping.routes import Routing
    from miso_upload.transform.mapping.spec import NamedRule

_TYPE = "type"


def check_types(
    rules: Iterable[NamedRule], routing: Routing | None, known: Collection[str]
) -> None:
    """Check that the types that rules and routes name exist.

    Raises:
        MappingError: There is no type of a name. The message says where it was written.
    """
    for origin, key, name in (*_of_rules(rules), *_of_routes(routing)):
        if name not in known:
            near = did_you_mean(str(name), known) or ". 'miso-upload types' lists all types"
            raise MappingError(
                f"{origin}: {quoted(name)} in {key} is not an interaction type of Miso{near}"
            )


def _of_rules(rules: Iterable[NamedRule]) -> Iterator[tuple[str, str, object]]:
    for named in rules:
        if named.attribute != _TYPE:
            continue
        rule = named.rule
        for key, name in (("value", rule.value), ("default", rule.default)):
            if name is not ABSENT:
                yield named.origin, f"type.{key}", name
        for text, name in (rule.values or {}).items():
            if name != "":
                yield named.origin, f"type.values.{quoted(text)}", name


def _of_routes(routing: Routing | None) -> Iterator[tuple[str, str, object]]:
    for route in routing.routes if routing else ():
        for attribute, value in route.attributes:
            if attribute == _TYPE:
                yield route.origin, f"the route {quoted(route.match)}", value
