"""Maps rows to records: `by_column`, the fast path, first; then `by_row`, the exact path.

See the package's docstring for what the two paths are and how they are kept equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miso_upload.transform.mapping.by_column import ColumnMapper
from miso_upload.transform.mapping.by_row import RowMapper
from miso_upload.transform.mapping.outcomes import Mapped
from miso_upload.transform.mapping.plan import compile_plan

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from miso_upload.records import Findings
    from miso_upload.transform.identity import IdentityPolicy
    from miso_upload.transform.mapping.outcomes import MappedRows, Outcome
    from miso_upload.transform.mapping.spec import MappingSpec
    from miso_upload.transform.record_ids import RecordIds
    from miso_upload.transform.schema.schema import Schema
    from miso_upload.values.timestamps import TimestampReader


class Mapper:
    """Maps the rows of one source. It can be pickled, and compiles its plan again when loaded.

    Args:
        spec: What the user configured.
        schema: The types and their attributes.
        timestamps: Parses timestamps.
        identity: Derives anonymous ids.
        columns: The columns of every row, whose values are cells of text; None if rows may differ.
        as_cells: Treat values as cells of text even if rows may differ.

    Raises:
        MappingError: An attribute or a column does not exist, a constant does not fit its
            attribute, or a column is unmapped in strict mode.
    """

    def __init__(
        self,
        spec: MappingSpec,
        schema: Schema,
        timestamps: TimestampReader,
        identity: IdentityPolicy,
        columns: tuple[str, ...] | None,
        as_cells: bool = False,  # noqa: FBT001, FBT002 -- `__reduce__` has no names for arguments
    ) -> None:
        self._arguments = (spec, schema, timestamps, identity, columns, as_cells)
        as_cells = as_cells or columns is not None
        self._plan = compile_plan(spec, schema, timestamps, identity, columns, as_cells=as_cells)
        self._by_row = RowMapper(self._plan)
        self._by_column = ColumnMapper(self._plan)

    def __reduce__(self) -> tuple[type[Mapper], tuple[Any, ...]]:
        return Mapper, self._arguments

    @property
    def reads(self) -> frozenset[str]:
        """Return the columns and paths that the user's rules, skips and routes read."""
        return frozenset(self._plan.bindings.used)

    @property
    def passes_records_through(self) -> bool:
        """Whether every valid record is mapped to itself, so that it need not be mapped."""
        return self._plan.passes_records_through

    def leaves_unchanged(self, records: Sequence[Any], ids: RecordIds) -> bool:
        """Return whether valid records hold nothing that the mapping would clean.

        Only for a mapper that `passes_records_through`.
        """
        return self._plan.bindings.leaves_unchanged(records, ids)

    @property
    def has_bot_rate(self) -> bool:
        """Whether the rows of a block have to be counted first; see `busy_minutes`."""
        return self._plan.bot_rate is not None

    def busy_minutes(self, rows: Iterable[object]) -> Container[object]:
        """Return the minutes, each of one visitor, with more rows than `--bot-rate` allows.

        Rows that a skip leaves out do not count. The result is for `map_row` and `map_rows`.
        """
        bot_rate, skips = self._plan.bot_rate, self._plan.skips
        if bot_rate is None:
            return ()
        return bot_rate.busy_minutes(
            row for row in rows
            if isinstance(row, dict) and not any(skip.holds(row) for skip in skips)
        )  # fmt: skip

    def map_row(
        self, row: object, line: int, findings: Findings, busy: Container[object] = ()
    ) -> Outcome:
        """Return the record of `row`, or why it has none. See `RowMapper.map`."""
        return self._by_row.map(row, line, findings, busy)

    def map_rows(
        self,
        rows: Sequence[Any],
        lines: Sequence[int],
        findings: Findings,
        busy: Container[object] = (),
    ) -> MappedRows:
        """Return what `map_row` returns for each row; every row is decided.

        One difference is allowed: objects within a record may still hold nulls. They are removed
        before a record is sent.
        """
        mapped = self._by_column.map(rows, findings, busy)
        for index in mapped.undecided():
            outcome = self._by_row.map(rows[index], lines[index], findings, busy)
            if isinstance(outcome, Mapped):
                del mapped.not_mapped[index]
                mapped.records[index], mapped.derived[index] = outcome
            else:
                mapped.not_mapped[index] = outcome
        return mapped
