"""Rows that have the same columns, mapped column by column.

Most rows of a source are much alike, so what has to be done with them is found out once for each
set of columns, and is then done to whole columns. A row with anything out of the ordinary (a value
that cannot be converted, an object to be merged, a warning due) is left to the mapper, which looks
at it alone and says exactly what is wrong. What both of them make of a row is the same; the tests
see to it.
"""

from __future__ import annotations

from collections import Counter
from itertools import repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.transform.mapping.builder import IDENTITY_COLUMNS, MappedRows, Skipped
from miso_upload.transform.mapping.cells import CellError
from miso_upload.transform.mapping.paths import ABSENT, first_step
from miso_upload.transform.mapping.rules import SkipRow, nothing
from miso_upload.values.timestamps import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from miso_upload.records import Findings, Record
    from miso_upload.transform.identity import IdentityPolicy
    from miso_upload.transform.mapping.builder import Binding
    from miso_upload.transform.mapping.router import Routed
    from miso_upload.transform.mapping.rules import Compiled

Row = dict[str, Any]
_TEXT_ONLY = {str}
_NO_LIST = (None, "", "-")
_NO_TEXT: Any = object()
"""What no cell is."""


class _Column(NamedTuple):
    """The values of some attribute, one for each row."""

    values: list[Any]
    has_gaps: bool
    """Some of them are `ABSENT`."""


class _Part(NamedTuple):
    """An attribute, and where it comes from."""

    binding: Binding
    fetch: Callable[[Sequence[Row]], list[Any]]
    default: Any = ABSENT
    empty: str = ""
    """The text that stands for nothing."""
    named: bool = True
    """The user said where it comes from."""


class Columns:
    """Maps rows of one shape.

    Args:
        shape: The columns of the rows.
        by_themselves: Those that become an attribute by their names, and whether an empty text in
            them stands for nothing.
        rules: What the user named.
        unused: The columns that become nothing.
        allowed: The attributes of each type.
        identity: Derives ids.

    Attributes:
        is_safe: Whether no two values have to share an object that comes from the row; if not, the
            rows cannot be mapped so.
    """

    def __init__(
        self,
        shape: Sequence[str],
        by_themselves: Iterable[tuple[str, Binding, bool]],
        rules: Iterable[tuple[Binding, Compiled]],
        unused: Iterable[str],
        *,
        allowed: Mapping[str, frozenset[str]],
        identity: IdentityPolicy,
    ) -> None:
        parts = [
            _Part(binding, _cells_of(column), ABSENT, "" if is_absent else _NO_TEXT, named=False)
            for column, binding, is_absent in by_themselves
        ]
        parts += filter(None, (_part(binding, rule, shape) for binding, rule in rules))
        self._parts = parts
        paths = [
            (place, part.binding.parts)
            for place, part in enumerate(parts)
            if part.binding.attribute not in IDENTITY_COLUMNS
        ]
        self.is_safe = _are_apart([path for _, path in paths])
        self._tree = _Tree(paths if self.is_safe else ())
        self._paths = frozenset(path for _, path in paths)
        self._takes_whole_contexts = ("context",) in self._paths
        places = {part.binding.attribute: place for place, part in enumerate(parts)}
        self._sides = [places.get(name) for name in IDENTITY_COLUMNS]
        self._looks_at_contexts = self._takes_whole_contexts or (
            ("context", "ip") in (path[:2] for path in self._paths)
        )
        top = {path[0] for path in self._paths}
        self._surplus = {name: tuple(top - of_type) for name, of_type in allowed.items()}
        self._unused = [column for column in unused if column]
        self._allowed = allowed
        self._identity = identity

    def map(self, rows: Sequence[Row], routed: Sequence[Routed], findings: Findings) -> MappedRows:
        """Return what the rows become.

        Where something is out of the ordinary, a row is lost without a reason, and nothing is
        counted of it. `routed` is what the URL of each row says, if it says anything.
        """
        columns = []
        for part in self._parts:
            column, odd = _column(part, rows, findings)
            if odd:
                return self._map_others(odd, rows, routed, findings)
            columns.append(column)
        records = self._tree.records(columns, len(rows))
        unusual = self._unusual(records, routed)
        if unusual:
            return self._map_others(unusual, rows, routed, findings)
        surplus = self._leave_out_surplus(records, is_known=not routed)
        sides = [
            [None] * len(rows) if place is None else _texts(columns[place].values)
            for place in self._sides
        ]
        if self._takes_whole_contexts:
            # The row's own object is not to be written into.
            for record in records:
                if "context" in record:
                    record["context"] = dict(record["context"])
        derived, problems = self._identity.apply_all(records, *sides)
        ips, _, forwarded_fors = sides
        told = dict.fromkeys(problems) | self._to_be_told(derived, ips, forwarded_fors)
        if told:
            return self._map_others(told, rows, routed, findings)
        findings.not_of_type.update(surplus)
        self._count_unused(rows, findings)
        return MappedRows(records, derived, {})

    def _map_others(
        self,
        odd: Mapping[int, Skipped | None],
        rows: Sequence[Row],
        routed: Sequence[Routed],
        findings: Findings,
    ) -> MappedRows:
        """Map rows, but for those that a column is odd in, or that are skipped for it."""
        self._count_unused([rows[place] for place, found in odd.items() if found], findings)
        others = [place for place in range(len(rows)) if place not in odd]
        theirs = [routed[place] for place in others] if routed else ()
        mapped = self.map([rows[place] for place in others], theirs, findings)
        all_of_them = MappedRows.unmapped(rows)
        all_of_them.lost.update(odd)
        all_of_them.put(others, mapped)
        return all_of_them

    def _unusual(self, records: Sequence[Record], routed: Sequence[Routed]) -> dict[int, None]:
        """Put in what the routes say, and return the places of records to be looked at closely."""
        odd: dict[int, None] = {}
        if routed:
            for place, (record, route) in enumerate(zip(records, routed, strict=True)):
                if not self._take_route(record, route):
                    odd[place] = None
        known = self._allowed
        names = [record.get("type") for record in records]
        # Most often none is odd, which is seen sooner of all than of each.
        if set(map(type, names)) != _TEXT_ONLY or not known.keys() >= set(names):
            for place, name in enumerate(names):
                if type(name) is not str or name not in known:
                    odd[place] = None
        if self._looks_at_contexts:
            for place, record in enumerate(records):
                context = record.get("context")
                if context is not None and (type(context) is not dict or "ip" in context):
                    odd[place] = None
        return odd

    def _leave_out_surplus(
        self, records: Sequence[Record], *, is_known: bool
    ) -> dict[tuple[str, str], int]:
        """Leave out what the types do not have, and count it by attribute and type.

        `is_known` says that records have no other attributes than those of the columns.
        """
        found: Counter[tuple[str, str]] = Counter()
        of_type: dict[str, list[Record]] = {}
        for record in records:
            of_type.setdefault(record["type"], []).append(record)
        for name, theirs in of_type.items():
            surplus: Collection[str] = self._surplus[name]
            if not is_known:
                surplus = set().union(*theirs) - self._allowed[name]
            for attribute in surplus:
                holding = [record for record in theirs if attribute in record]
                for record in holding:
                    del record[attribute]
                if holding:
                    found[attribute, name] = len(holding)
        return found

    def _to_be_told(
        self,
        derived: Sequence[bool],
        ips: Sequence[str | None],
        forwarded_fors: Sequence[str | None],
    ) -> dict[int, None]:
        """Return the places of rows with something to be said about whose they are."""
        if self._identity.believes_forwarded:
            return {}
        return {
            place: None
            for place, (was_derived, ip, forwarded) in enumerate(
                zip(derived, ips, forwarded_fors, strict=True)
            )
            if was_derived and ((ip is not None and "," in ip) or forwarded not in _NO_LIST)
        }

    def _take_route(self, record: Record, routed: Routed) -> bool:
        """Put what a route says into a record; False where that is no matter of course."""
        if routed.puts is None:
            return False
        for parents, name, value in routed.puts:
            if parents and self._meets_a_column((*parents, name)):
                return False
            place = record
            for parent in parents:
                place = place.setdefault(parent, {})
                if type(place) is not dict:
                    return False
            place[name] = value
        return True

    def _meets_a_column(self, path: tuple[str, ...]) -> bool:
        """Return whether a path leads into the value of a column, or to what holds one."""
        size = len(path)
        return any(
            path[: len(column)] == column[:size] for column in self._paths if column[0] == path[0]
        )

    def _count_unused(self, rows: Sequence[Row], findings: Findings) -> None:
        for column in self._unused:
            count = len(rows) - list(map(itemgetter(column), rows)).count(None)
            if count:
                findings.count_unmapped(column, count)


class _Tree:
    """How values are put together into objects: by the paths to them, each with its place."""

    def __init__(self, paths: Iterable[tuple[int, tuple[str, ...]]]) -> None:
        below: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
        for place, (name, *rest) in paths:
            below.setdefault(name, []).append((place, tuple(rest)))
        self._names = tuple(below)
        self._branches = [
            branch[0][0] if branch == [(branch[0][0], ())] else _Tree(branch)
            for branch in below.values()
        ]

    def records(self, columns: Sequence[_Column], size: int) -> list[Record]:
        """Return as many objects as there are rows, with all the values in them."""
        if not self._names:
            return [{} for _ in range(size)]
        objects, has_gaps = self.objects(columns)
        return [{} if each is ABSENT else each for each in objects] if has_gaps else objects

    def objects(self, columns: Sequence[_Column]) -> _Column:
        """Return the object of each row; `ABSENT` where it has nothing in it."""
        names = self._names
        mine = [
            columns[branch] if isinstance(branch, int) else branch.objects(columns)
            for branch in self._branches
        ]
        if len(mine) == 1 and not mine[0].has_gaps:
            (name,) = names
            return _Column([{name: value} for value in mine[0].values], has_gaps=False)
        cells = zip(*[column.values for column in mine], strict=True)
        if not any(column.has_gaps for column in mine):
            return _Column(list(map(dict, map(zip, repeat(names), cells))), has_gaps=False)
        objects = [
            {name: value for name, value in zip(names, row, strict=True) if value is not ABSENT}
            or ABSENT
            for row in cells
        ]
        return _Column(objects, has_gaps=ABSENT in objects)


def _are_apart(paths: Sequence[tuple[str, ...]]) -> bool:
    """Return whether no path leads into another one's value."""
    inner = {path[:size] for path in paths for size in range(1, len(path))}
    return len(paths) == len(set(paths)) and inner.isdisjoint(paths)


def _part(binding: Binding, rule: Compiled, shape: Sequence[str]) -> _Part | None:
    """Return where the value of a rule comes from; None where it has none in rows of this shape."""
    column = rule.column if _is_baseless(rule, shape) else None
    if rule.fetch is nothing or (column is not None and column not in shape):
        if rule.default is ABSENT:
            return None
        return _Part(binding, lambda rows: [ABSENT] * len(rows), rule.default)
    if column is not None:
        return _Part(binding, _cells_of(column), rule.default)
    return _Part(binding, lambda rows: list(map(rule.fetch, rows)), rule.default)


def _is_baseless(rule: Compiled, shape: Sequence[str]) -> bool:
    """Return whether none of a rule's bases can be there in rows of this shape."""
    return all(
        any(place not in shape and first_step(place) not in shape for place in places)
        for places in rule.bases
    )


def _cells_of(column: str) -> Callable[[Sequence[Row]], list[Any]]:
    get = itemgetter(column)
    return lambda rows: list(map(get, rows))


def _texts(values: list[Any]) -> list[str | None]:
    """Return what rows say of their visitors; what is no text says nothing."""
    if set(map(type, values)) == _TEXT_ONLY:
        return values
    return [value if type(value) is str else None for value in values]


def _column(
    part: _Part, rows: Sequence[Row], findings: Findings
) -> tuple[_Column, dict[int, Skipped | None]]:
    """Return the values of an attribute, and the places of the rows that it is odd in."""
    cells = part.fetch(rows)
    # What is false may still be a value, as 0 is.
    places = range(len(cells)) if all(cells) else _there(cells, part.empty)
    is_whole = len(places) == len(cells)
    if not is_whole:
        cells = [cells[place] for place in places]
    if cells and part.named:
        findings.fetched.add(part.binding.attribute)
    column, odd = _converted(part.binding, cells)
    if odd:
        return column, {places[at]: found for at, found in odd.items()}
    if is_whole:
        return column, odd
    filled = [part.default] * len(rows)
    for place, value in zip(places, column.values, strict=True):
        filled[place] = value
    return _Column(filled, has_gaps=part.default is ABSENT or column.has_gaps), odd


def _there(cells: Sequence[Any], empty: str) -> Sequence[int]:
    """Return the places of the cells that hold something."""
    return [
        place
        for place, cell in enumerate(cells)
        if not (cell is None or cell is ABSENT or cell == empty)
    ]


def _converted(binding: Binding, cells: list[Any]) -> tuple[_Column, dict[int, Skipped | None]]:
    """Return cells as the schema wants them, and the places of those that are odd."""
    if binding.convert is None or binding.attribute in IDENTITY_COLUMNS:
        return _Column(cells, has_gaps=False), {}
    together = binding.convert_all(cells) if binding.convert_all is not None else None
    if together is not None:
        return _Column(together, has_gaps=False), {}
    values: list[Any] = []
    odd: dict[int, Skipped | None] = {}
    for place, cell in enumerate(cells):
        try:
            value = binding.convert(cell)
        except SkipRow as skip:
            value, odd[place] = None, Skipped(str(skip))
        except (CellError, AttributeError, TypeError):
            value, odd[place] = None, None
        if type(value) is Reading:
            if value.text is None or value.note is not None:
                odd[place] = None
            value = value.text
        values.append(value)
    return _Column(values, has_gaps=ABSENT in values), odd
