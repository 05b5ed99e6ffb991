"""Makes several records of a row: takes rows apart, and knows the mapper of each kind of record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.records import Findings, Reason, Rejection, Slice
from miso_upload.records.element import element_of, line_of, numbered
from miso_upload.transform.mapping import Mapped, Skipped
from miso_upload.transform.mapping.conditions import compile_condition
from miso_upload.transform.mapping.elements import ITEM, compile_each, fields_of
from miso_upload.transform.mapping.spec import RecordTable
from miso_upload.values.display import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence

    from miso_upload.transform.batch_work import Work
    from miso_upload.transform.mapping import Mapper, MappingFile, MappingSpec, NamedRule
    from miso_upload.transform.mapping.elements import Elements

Row = dict[str, Any]

NO_RECORD = "no [[records]] table applies"
"""The name that rows are counted under if the conditions of all tables exclude them."""
_NOT_AN_OBJECT = Reason("the row", "is not a JSON object")
_MOST_ELEMENTS = 1_024
"""Elements are mapped together until there are this many. A row is never divided."""


class _Table(NamedTuple):
    """A table of `[[records]]`, compiled."""

    elements: Callable[[Row], Elements] | None
    when: tuple[Callable[[Row], bool], ...]
    mapper: Mapper
    empty: str
    blank: str


class Expansion:
    """Takes the rows of one source apart. It can be pickled.

    Args:
        tables: The tables of `[[records]]`, each with the mapper of its records; one table without
            conditions for `[rows] each`.
    """

    def __init__(self, tables: Sequence[tuple[RecordTable, Mapper]]) -> None:
        self._arguments = (tables,)
        self._tables = [_compiled(table, mapper) for table, mapper in tables]

    def __reduce__(self) -> tuple[type[Expansion], tuple[Any, ...]]:
        return Expansion, self._arguments

    @property
    def is_single(self) -> bool:
        """Whether one mapper makes all records."""
        return len(self._tables) == 1

    def mapper_of_table(self, table: int) -> Mapper:
        """Return the mapper of a table."""
        return self._tables[table].mapper

    def mapper_of(self, line: int) -> Mapper:
        """Return the mapper that makes a record, by its line or element number."""
        return self._tables[0 if self.is_single else element_of(line).table].mapper

    def is_row(self, row: object) -> bool:
        """Return whether a row would become at least one record, or would be skipped."""
        if not isinstance(row, dict):
            return False
        work = _Unnoted()
        found = list(self.expanded([Slice([row], [1])], work))
        if work.was_skipped:
            return True
        return any(
            isinstance(self.mapper_of(line).map_row(each, 0, Findings()), Mapped | Skipped)
            for part in found
            for each, line in zip(part.rows, part.lines, strict=True)
        )

    def expanded(self, parts: Iterable[Slice], work: Work | _Unnoted) -> Iterator[Slice]:
        """Yield slices of elements, in the order of the rows.

        Args:
            parts: The rows.
            work: Rows without elements, and elements that cannot be used, are noted here.
        """
        found = _Found(work)
        last, offsets = 0, [0] * len(self._tables)
        for part in parts:
            for row, line in zip(part.rows, part.lines, strict=True):
                if (own := line_of(line)) != last:
                    last, offsets = own, [0] * len(self._tables)
                self._expand(row, line, offsets, found)
                if len(found.rows) >= _MOST_ELEMENTS:
                    yield found.take()
        if found.rows:
            yield found.take()

    def _expand(self, row: object, line: int, offsets: list[int], found: _Found) -> None:
        """Find the elements of one row; `offsets` has how many each table had of the line."""
        if not isinstance(row, dict):
            found.reject(line, _NOT_AN_OBJECT, row)
            return
        own, _, number = element_of(line)
        before, has_elements, lists = found.count, False, []
        for i, table in enumerate(self._tables):
            if table.elements is None:
                found.put(table, numbered(own, i, number), row, row)
                continue
            lists.append(table.empty)
            elements = table.elements(row)
            if elements.reason is not None:
                if number:
                    number = offsets[i] = offsets[i] + 1
                found.reject(numbered(own, i, number), elements.reason, row)
            for view in elements.views:
                has_elements = True
                offsets[i] += 1
                found.put(table, numbered(own, i, offsets[i]), view, row)
        if found.count == before:
            found.work.skip(NO_RECORD if has_elements or not lists else lists[0], line)


class _Found:
    """The elements that were found so far."""

    def __init__(self, work: Work | _Unnoted) -> None:
        self.work = work
        self.count = 0
        self.rows: list[Row] = []
        self._lines: list[int] = []

    def take(self) -> Slice:
        """Return the elements, and begin with none."""
        part = Slice(self.rows, self._lines)
        self.rows, self._lines = [], []
        return part

    def put(self, table: _Table, line: int, view: Row | Reason | None, row: Row) -> None:
        """Put in what the mapping sees of an element, unless the conditions exclude it."""
        if view is None:
            self.count += 1
            self.work.skip(table.blank, line)
        elif isinstance(view, Reason):
            self.reject(line, view, row)
        elif all(holds(view) for holds in table.when):
            self.count += 1
            self.rows.append(view)
            self._lines.append(line)

    def reject(self, line: int, reason: Reason, row: object) -> None:
        """Reject an element, or a row as a whole."""
        self.count += 1
        self.work.rejections.append(Rejection(line, (reason,), row))


def expansion_of(
    mapping: MappingFile,
    plan: MappingSpec,
    options: Sequence[NamedRule],
    columns: tuple[str, ...] | None,
    attributes: Container[str],
    mapper_of: Callable[[MappingSpec, tuple[str, ...] | None], Mapper],
) -> Expansion:
    """Return the expansion of a mapping file with `[rows] each` or `[[records]]`.

    Args:
        mapping: The mapping file.
        plan: What is configured for all records of a source.
        options: The rules of the command line, which win over all others.
        columns: The columns of every row; None if rows may differ.
        attributes: The names of all attributes.
        mapper_of: Returns the mapper of a spec, for rows with these columns.
    """
    tables = mapping.records or (RecordTable(),)
    tables = tuple(replace(each, each=each.each or mapping.each) for each in tables)
    # No list is mapped by its own name, because that would repeat it in each of its records.
    lists = {
        path for table in tables if table.each for path in (table.each.column, table.each.path)
    }
    compiled = []
    for table in tables:
        own = {rule.attribute for rule in (*table.rules, *options)}
        spec = plan._replace(
            rules=(
                *(rule for rule in plan.rules if rule.attribute not in own),
                *_without(table.rules, options),
                *options,
            ),
            skips=(*plan.skips, *table.skips),
            ignored=(
                *plan.ignored,
                *lists,
                *(each.column for each in table.when if each.column not in attributes),
                *(name for name in _made(table) if name not in attributes),
            ),
        )
        seen = columns if table.each is None else table.each.fields(columns)
        compiled.append((table, mapper_of(spec, seen)))
    return Expansion(compiled)


def _made(table: RecordTable) -> tuple[str, ...]:
    """Return the names that a row does not have, and that its elements are seen under."""
    each = table.each
    if each is None:
        return ()
    fields = fields_of(each.pattern) if each.pattern else ()
    return (each.name or ITEM, each.index, *fields)


def _without(rules: Sequence[NamedRule], over: Sequence[NamedRule]) -> list[NamedRule]:
    own = {rule.attribute for rule in over}
    return [rule for rule in rules if rule.attribute not in own]


class _Unnoted:
    """Stands in for `Work` where nothing is counted."""

    def __init__(self) -> None:
        self.rejections: list[Rejection] = []
        self.was_skipped = False

    def skip(self, rule: str, line: int) -> None:
        """Note that a row or an element was skipped."""
        del rule, line
        self.was_skipped = True


def _compiled(table: RecordTable, mapper: Mapper) -> _Table:
    path = "" if table.each is None else printable(table.each.path)
    return _Table(
        None if table.each is None else compile_each(table.each),
        tuple(map(compile_condition, table.when)),
        mapper,
        f"no elements in {path}",
        f"empty element of {path}",
    )
