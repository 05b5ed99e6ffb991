"""The values of one attribute for many rows: fetched, converted, and doubtful ones found."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.transform.mapping.cells import CellError, Noted
from miso_upload.transform.mapping.outcomes import Skipped, SkipRow
from miso_upload.transform.mapping.paths import ABSENT, first_step
from miso_upload.transform.mapping.rules import fetch_nothing
from miso_upload.values.timestamps import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from miso_upload.records import Findings
    from miso_upload.transform.mapping.builder import Binding
    from miso_upload.transform.mapping.plan import NamedColumn
    from miso_upload.transform.mapping.rules import Compiled

    Doubtful: TypeAlias = dict[int, Skipped | None]

Row = dict[str, Any]
_NEVER: Any = object()
"""Sentinel that is equal to no cell."""


class Column(NamedTuple):
    """The values of one attribute, one for each row.

    Attributes:
        values: The values.
        has_gaps: Whether some of them are `ABSENT`.
        notes: What is counted about them, each with the attribute.
    """

    values: list[Any]
    has_gaps: bool
    notes: Sequence[tuple[str, str, str]] = ()


class ColumnSource(NamedTuple):
    """An attribute, and where its values come from.

    Attributes:
        binding: The attribute and its conversion.
        fetch: Returns its unconverted values.
        default: What a row without a value gets.
        blank: The text that counts as no value.
        by_rule: Whether a rule of the user names the attribute.
    """

    binding: Binding
    fetch: Callable[[Sequence[Row]], list[Any]]
    default: Any = ABSENT
    blank: str = ""
    by_rule: bool = True

    @classmethod
    def of_column(cls, named: NamedColumn) -> ColumnSource:
        """Return the source of an attribute whose column has its name."""
        blank = "" if named.is_blank_absent else _NEVER
        return cls(named.binding, _cells_of(named.column), ABSENT, blank, by_rule=False)

    @classmethod
    def of_rule(
        cls, binding: Binding, rule: Compiled, columns: Sequence[str]
    ) -> ColumnSource | None:
        """Return the source of a rule's attribute in rows with `columns`; None if it has none."""
        column = rule.column if _is_baseless(rule, columns) else None
        if rule.fetch is fetch_nothing or (column is not None and column not in columns):
            if rule.default is ABSENT:
                return None
            return cls(binding, lambda rows: [ABSENT] * len(rows), rule.default)
        if column is not None:
            return cls(binding, _cells_of(column), rule.default)
        return cls(binding, lambda rows: list(map(rule.fetch, rows)), rule.default)

    def read(self, rows: Sequence[Row], findings: Findings) -> tuple[Column, Doubtful]:
        """Return the values of the attribute, and the rows that they are doubtful for.

        Doubtful rows are returned by index, with the skip that applies; None means that the exact
        path must decide. If there are any, the values have no meaning.
        """
        cells = self.fetch(rows)
        # A false cell may still be a value, such as 0.
        indices = range(len(cells)) if all(cells) else _with_value(cells, self.blank)
        is_whole = len(indices) == len(cells)
        if not is_whole:
            cells = [cells[index] for index in indices]
        words: list[str] = []
        nulls = self.binding.nulls
        if nulls is not None and nulls.are_among(cells):
            kept = [i for i, cell in enumerate(cells) if nulls.found(cell) is None]
            words = [word for cell in cells if (word := nulls.found(cell)) is not None]
            indices, cells = [indices[i] for i in kept], [cells[i] for i in kept]
            is_whole = False
        if cells and self.by_rule:
            findings.filled_by_rules.add(self.binding.attribute)
        column, doubtful = _converted(self.binding, cells)
        if doubtful:
            return column, {indices[i]: skip for i, skip in doubtful.items()}
        if is_whole:
            return column, doubtful
        filled = [self.default] * len(rows)
        for index, value in zip(indices, column.values, strict=True):
            filled[index] = value
        notes = [*column.notes, *((self.binding.attribute, "null", word) for word in words)]
        return Column(filled, self.default is ABSENT or column.has_gaps, notes), doubtful


def _is_baseless(rule: Compiled, columns: Sequence[str]) -> bool:
    """Return whether no base of a rule can be filled in from rows with `columns`."""
    return all(
        any(path not in columns and first_step(path) not in columns for path in paths)
        for paths in rule.bases
    )


def _cells_of(column: str) -> Callable[[Sequence[Row]], list[Any]]:
    get = itemgetter(column)
    return lambda rows: list(map(get, rows))


def _with_value(cells: Sequence[Any], blank: str) -> Sequence[int]:
    """Return the indices of the cells that have a value."""
    return [
        index
        for index, cell in enumerate(cells)
        if not (cell is None or cell is ABSENT or cell == blank)
    ]


def _converted(binding: Binding, cells: list[Any]) -> tuple[Column, Doubtful]:
    """Return cells as the schema asks for them, and the doubtful ones by index."""
    if binding.convert is None:
        return Column(cells, has_gaps=False), {}
    together = binding.convert_all(cells) if binding.convert_all is not None else None
    if together is not None:
        return Column(together, has_gaps=False), {}
    values: list[Any] = []
    notes: list[tuple[str, str, str]] = []
    doubtful: Doubtful = {}
    nulls = binding.nulls
    for index, cell in enumerate(cells):
        if nulls is not None and nulls.found(cell) is not None:
            values.append(None)
            doubtful[index] = None
            continue
        try:
            value = binding.convert(cell)
        except SkipRow as skip:
            value, doubtful[index] = None, Skipped(str(skip))
        except (CellError, AttributeError, TypeError):
            value, doubtful[index] = None, None
        if type(value) is Reading:
            if value.text is None or value.note is not None:
                doubtful[index] = None
            value = value.text
        elif type(value) is Noted:
            notes += [(binding.attribute, *note) for note in value.notes]
            value = value.value
        values.append(value)
    return Column(values, ABSENT in values, notes), doubtful
