"""Types that a user wrote down, held against those that there are, before a row is read."""

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
    """See to it that rules and routes make types that there are, as far as they name them.

    Raises:
        MappingError: There is no type of a name; the message says where it was written.
    """
    for origin, place, said in (*_of_rules(rules), *_of_routes(routing)):
        if said not in known:
            near = did_you_mean(str(said), known) or "; 'miso-upload types' lists them"
            raise MappingError(
                f"{origin}: {place}{quoted(said)} is not an interaction type of Miso{near}"
            )


def _of_rules(rules: Iterable[NamedRule]) -> Iterator[tuple[str, str, object]]:
    for named in rules:
        if named.attribute != _TYPE:
            continue
        rule = named.rule
        for name, said in (("value", rule.value), ("default", rule.default)):
            if said is not ABSENT:
                yield named.origin, f"type.{name} ", said
        for key, said in (rule.values or {}).items():
            if said != "":
                yield named.origin, f"type.values, {quoted(key)} = ", said


def _of_routes(routing: Routing | None) -> Iterator[tuple[str, str, object]]:
    for route in routing.routes if routing else ():
        for attribute, said in route.attributes:
            if attribute == _TYPE:
                yield route.origin, f"the type of {quoted(route.match)}, ", said
