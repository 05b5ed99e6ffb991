"""The usual row, mapped without looking closely.

Most rows of a source have the same columns with the same kinds of values, so what has to be done
with them is found out once. `Shortcut` does that and nothing else: whatever is out of the ordinary
(a value that cannot be converted, an object to be merged, a warning due) it leaves to the mapper,
which says exactly what is wrong. What both of them make of a row is the same; the tests see to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.mapping.builder import IDENTITY_COLUMNS
from miso_upload.mapping.cells import CellError
from miso_upload.mapping.paths import ABSENT
from miso_upload.mapping.rules import SkipRow
from miso_upload.timestamps import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from miso_upload.identity import IdentityPolicy
    from miso_upload.mapping.builder import Binding
    from miso_upload.mapping.rules import Compiled
    from miso_upload.records import Findings, Record

Row = dict[str, Any]
_OUT_OF_THE_ORDINARY = CellError("is for the mapper")


class _Copy(NamedTuple):
    """A column that becomes an attribute as it is."""

    column: str
    attribute: str
    empty_is_absent: bool


class _Put(NamedTuple):
    """A value that is fetched, converted, and put into an object inside of the record."""

    fetch: Callable[[Row], Any]
    convert: Callable[[Any], Any]
    default: Any
    attribute: str | None
    """None where a column becomes it by its own name."""
    parents: tuple[str, ...]
    name: str


class Shortcut:
    """Maps rows of one shape.

    Args:
        by_themselves: The columns that become an attribute by their names, and whether an empty
            text in them stands for nothing.
        rules: What the user named.
        unused: The columns that become nothing.
        allowed: The attributes of each type.
        identity: Derives ids.
    """

    def __init__(
        self,
        by_themselves: Iterable[tuple[str, Binding, bool]],
        rules: Iterable[tuple[Binding, Compiled]],
        unused: Iterable[str],
        *,
        allowed: Mapping[str, frozenset[str]],
        identity: IdentityPolicy,
    ) -> None:
        self._copies: list[_Copy] = []
        self._puts: list[_Put] = []
        self._replaced: set[str] = set()
        self._unused = [column for column in unused if column]
        self._allowed = allowed
        self._identity = identity
        sides: dict[str, Callable[[Row], Any]] = {}
        for column, binding, empty_is_absent in by_themselves:
            if binding.attribute in IDENTITY_COLUMNS:
                sides[binding.attribute] = _getter(column)
            elif binding.convert is None and len(binding.parts) == 1:
                self._copies.append(_Copy(column, binding.attribute, empty_is_absent))
            else:
                if len(binding.parts) == 1:
                    # It keeps its place among the others, so that a record has the row's order.
                    self._copies.append(_Copy(column, binding.attribute, empty_is_absent=True))
                    self._replaced.add(binding.attribute)
                self._puts.append(_put(binding, None, _getter(column), ABSENT))
        for binding, rule in rules:
            if binding.attribute in IDENTITY_COLUMNS:
                sides[binding.attribute] = _side(rule)
            else:
                self._puts.append(_put(binding, binding.attribute, rule.fetch, rule.default))
        names = ("ip", "user_agent", "forwarded_for")
        self._sides = tuple(sides.get(name, _nothing) for name in names)
        self._copied = frozenset(copy.attribute for copy in self._copies)

    @property
    def is_safe(self) -> bool:
        """Whether no two values have to share an object that comes from the row."""
        copied = {copy.attribute for copy in self._copies} - self._replaced
        paths: list[tuple[str, ...]] = [(attribute,) for attribute in copied]
        paths += [(*put.parents, put.name) for put in self._puts]
        inner = {path[:size] for path in paths for size in range(1, len(path))}
        return len(paths) == len(set(paths)) and inner.isdisjoint(paths)

    def map(
        self, row: Row, routed: Iterable[tuple[Binding, Any]], findings: Findings
    ) -> tuple[Record, bool] | None:
        """Return the record that a row becomes, and whether its id was derived.

        Returns:
            None where something is out of the ordinary; nothing is counted then.

        Raises:
            SkipRow: The user's rules leave the row out.
        """
        record: Record = {}
        for column, attribute, empty_is_absent in self._copies:
            value = row[column]
            if value is not None and not (empty_is_absent and value == ""):
                record[attribute] = value
        try:
            self._put(record, row, findings.fetched)
            for binding, text in routed:
                self._put_routed(record, binding, text)
        except SkipRow:
            self._count_unused(row, findings)
            raise
        except (CellError, AttributeError, TypeError):
            return None
        return self._finished(record, row, findings)

    def _put(self, record: Record, row: Row, fetched: set[str]) -> None:
        for fetch, convert, default, attribute, parents, name in self._puts:
            value = fetch(row)
            if value is ABSENT or value is None or value == "":
                if default is ABSENT:
                    continue
                value = default
            else:
                if attribute is not None:
                    fetched.add(attribute)
                value = convert(value)
                if type(value) is Reading:
                    if value.text is None or value.note is not None:
                        raise _OUT_OF_THE_ORDINARY
                    value = value.text
                elif value is ABSENT:
                    continue
            place = record
            for parent in parents:
                place = place.setdefault(parent, {})
            place[name] = value

    def _finished(self, record: Record, row: Row, findings: Findings) -> tuple[Record, bool] | None:
        """Leave out what the type does not have, see to the ids, and count."""
        type_name = record.get("type")
        allowed = self._allowed.get(type_name) if type(type_name) is str else None
        context = record.get("context")
        if allowed is None or (
            context is not None and (type(context) is not dict or "ip" in context)
        ):
            return None
        ip, user_agent, forwarded_for = sides = [fetch(row) for fetch in self._sides]
        if not all(side is None or type(side) is str for side in sides):
            return None
        if not self._identity.believes_forwarded and (
            forwarded_for is not None or (ip is not None and "," in ip)
        ):
            return None
        surplus = record.keys() - allowed if not record.keys() <= allowed else ()
        for attribute in surplus:
            del record[attribute]
        if context is not None:
            record["context"] = dict(context)
        outcome = self._identity.apply(record, ip, user_agent, forwarded_for)
        if outcome.problem is not None:
            return None
        for attribute in surplus:
            findings.not_of_type[(attribute, type_name)] += 1  # type: ignore[index]
        self._count_unused(row, findings)
        return record, outcome.derived

    def _count_unused(self, row: Row, findings: Findings) -> None:
        for column in self._unused:
            if row[column] is not None:
                findings.left_out(column)

    def _put_routed(self, record: Record, binding: Binding, text: Any) -> None:  # noqa: ANN401
        value = text if binding.convert is None else binding.convert(text)
        if type(value) is not str and type(value) is not list:
            raise _OUT_OF_THE_ORDINARY
        *parents, name = binding.parts
        if binding.attribute in IDENTITY_COLUMNS or (parents and parents[0] in self._copied):
            raise _OUT_OF_THE_ORDINARY
        place = record
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = value


def _getter(column: str) -> Callable[[Row], Any]:
    return lambda row: row[column]


def _nothing(_: Row) -> None:
    return None


def _put(
    binding: Binding,
    named: str | None,
    fetch: Callable[[Row], Any],
    default: Any,  # noqa: ANN401
) -> _Put:
    convert = binding.convert or _as_it_is
    return _Put(fetch, convert, default, named, binding.parts[:-1], binding.parts[-1])


def _side(rule: Compiled) -> Callable[[Row], Any]:
    def fetch(row: Row) -> Any:  # noqa: ANN401
        value = rule.fetch(row)
        return rule.default if value is ABSENT or value is None or value == "" else value

    return fetch if rule.default is not ABSENT else lambda row: _or_none(rule.fetch(row))


def _or_none(value: Any) -> Any:  # noqa: ANN401
    return None if value is ABSENT else value


def _as_it_is(value: Any) -> Any:  # noqa: ANN401
    return value
