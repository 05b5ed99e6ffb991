"""Collects the batch of a block while it is made, and accounts for its rows."""

from __future__ import annotations

from array import array
from functools import cached_property
from typing import TYPE_CHECKING, Any

from miso_upload.records import Findings
from miso_upload.records.batch import RowCounts
from miso_upload.records.element import is_element, line_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from miso_upload.records import Rejection
    from miso_upload.records.keyed_records import KeyedRecords


class Work:
    """The batch of a block, as far as it is made.

    Args:
        pass_through: Whether rows that are valid records are taken unchanged.
        numbered: Whether rows may become several records, so that lines may be element numbers.

    Attributes:
        rows: The number of rows read.
        lines: The lines or element numbers of the records, by slice.
        encoded: The JSON texts of the records, by slice.
        rejections: The rejected rows and elements.
        findings: What the transform noticed.
        busy: What `Mapper.busy_minutes` returned for the block.
        keys: The keys of rows as they were read, by their lines, if rows are grouped.
    """

    def __init__(self, *, pass_through: bool, numbered: bool = False) -> None:
        self.pass_through = pass_through
        self.numbered = numbered
        self.rows = self._skips = 0
        self.keys: dict[int, str | None] = {}
        self._groups: dict[int, Sequence[int]] = {}
        self._heights: dict[int, int] = {}
        self._skipped_lines: set[int] = set()
        self._skips_elements = False
        self._others = 0
        self.lines: list[Sequence[int]] = []
        self.encoded: list[bytes] = []
        self.rejections: list[Rejection] = []
        self.findings = Findings()
        self.busy: Container[object] = ()
        self._keyed: list[tuple[KeyedRecords, Iterable[int]]] = []

    def note_keys(self, keyed: KeyedRecords, lengths: Iterable[int]) -> None:
        """Note the content keys and the lengths of the records of a slice."""
        self._keyed.append((keyed, lengths))

    def keyed(self) -> dict[str, Any]:
        """Return the fields of a batch that are about content keys."""
        if not self._keyed:
            return {}
        keys, days, contents, sizes = array("Q"), array("i"), array("Q"), array("I")
        for keyed, lengths in self._keyed:
            keys += keyed.keys
            days += keyed.days
            contents += keyed.contents or array("Q")
            sizes += array("I", lengths)
        return {"keys": keys, "days": days, "contents": contents or None, "lengths": sizes}

    def skip(self, rule: str, line: int | None = None) -> None:
        """Count a row or an element that a rule skips; a row that is no row of data has no line."""
        self._skips += 1
        self.findings.skipped[rule] += 1
        if line is None:
            self._others += 1
        elif self.numbered:
            self._skipped_lines.add(line_of(line))
            self._skips_elements = self._skips_elements or is_element(line)

    def note_group(self, line: int, lines: Sequence[int]) -> None:
        """Note the lines of the rows of a group that begins at `line`."""
        if len(lines) > 1:
            self._groups[line] = lines
            self._heights[line] = len(lines)

    def note_height(self, line: int, rows: int) -> None:
        """Note the number of rows of a group that was not read as a whole."""
        if rows > 1:
            self._heights[line] = rows

    def lines_of_group(self, line: int) -> Sequence[int]:
        """Return the lines of the group that begins at `line`; empty if it is a single row."""
        return self._groups.get(line, ())

    # -- accounting --------------------------------------------------------------------------------

    def all_lines(self) -> Sequence[int]:
        """Return the lines or element numbers of all records."""
        if self.has_several:
            return [line for part in self.lines for line in part]
        return _compact(self.lines)

    @cached_property
    def has_several(self) -> bool:
        """Whether any row became several records, or several rows became one."""
        if not self.numbered:
            return False
        return bool(self._heights or self._skips_elements) or any(
            any(map(is_element, part))
            for part in (*self.lines, [rejection.line for rejection in self.rejections])
        )

    @property
    def skipped_rows(self) -> int:
        """Return how many rows have neither a record nor a rejection, but were skipped."""
        if not self.has_several:
            return self._skips
        mapped, rejected = self._mapped_lines, self._rejected_lines
        return self._height_of(self._skipped_lines - mapped - rejected) + self._others

    def row_counts(self) -> RowCounts | None:
        """Return what became of the rows, if rows are not records by definition.

        A row is mapped if it has at least one record. It is rejected if it has none, and at least
        one rejection.
        """
        if not self.numbered:
            return None
        mapped, rejected = self._mapped_lines, self._rejected_lines
        return RowCounts(
            records=sum(map(len, self.lines)) + len(self.rejections),
            mapped=self._height_of(mapped),
            rejected=self._height_of(rejected - mapped),
        )

    @cached_property
    def _mapped_lines(self) -> set[int]:
        return {line_of(line) for part in self.lines for line in part}

    @cached_property
    def _rejected_lines(self) -> set[int]:
        return {line_of(rejection.line) for rejection in self.rejections}

    def _height_of(self, lines: Iterable[int]) -> int:
        """Return how many rows begin at some lines, with all rows of their groups."""
        return sum(self._heights.get(line, 1) for line in lines)


def _compact(parts: list[Sequence[int]]) -> Sequence[int]:
    """Return the lines of all parts as one sequence; a range if they are consecutive."""
    if not parts:
        return ()
    total = sum(map(len, parts))
    first, last = parts[0][0], parts[-1][-1]
    if last - first + 1 == total:
        return range(first, last + 1)
    lines: list[Any] = []
    for part in parts:
        lines += part
    return lines
