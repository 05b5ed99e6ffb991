"""Puts the rows of a block that belong together into groups, before they are mapped."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any

from miso_upload.records import Reason, Rejection, Slice
from miso_upload.records.element import line_of
from miso_upload.records.grouping import (
    ABOVE,
    UNREADABLE_ROW,
    Grouping,
    key_text,
    too_many_rows,
)
from miso_upload.transform.mapping.group import Group
from miso_upload.transform.mapping.paths import ABSENT, getter
from miso_upload.values.display import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from miso_upload.transform.batch_work import Work

_MOST_GROUPS = 256


class Grouper:
    """Groups the rows of one source. It can be pickled.

    Args:
        grouping: Which rows belong together.
        max_rows: The most rows of a group.
    """

    def __init__(self, grouping: Grouping, max_rows: int) -> None:
        self._arguments = (grouping, max_rows)
        self.grouping = grouping
        self.max_rows = max_rows
        self._getters = [getter(column) for column in grouping.columns]
        self._no_key = Reason(
            printable(grouping.name),
            'is empty, so the row belongs to no group. Possible fix: blank_key = "above" in '
            "[rows], if such rows belong to the row above",
        )

    def __reduce__(self) -> tuple[type[Grouper], tuple[Any, ...]]:
        return Grouper, self._arguments

    def key_of(self, row: object) -> str | None:
        """Return the key of a row: `ABOVE` if it belongs to the row above; None if to none."""
        if not isinstance(row, dict):
            return None
        values = [get(row) for get in self._getters]
        key = key_text([None if value is ABSENT else value for value in values])
        if key is None and self.grouping.blank_key == "above":
            return ABOVE
        return key

    def together(self, rows: dict[int, Any]) -> dict[int, list[int]]:
        """Return the lines of each group, by the line of its first row.

        Args:
            rows: The rows of whole groups, by their lines.
        """
        found: dict[int, list[int]] = {}
        last: str | None = None
        first = 0
        for line, row in rows.items():
            key = self.key_of(row)
            if key is None:
                found[line] = [line]
            elif found and first and key in (last, ABOVE):
                found[first].append(line)
            else:
                last, first = key, line
                found[line] = [line]
        return found

    def grouped(self, parts: Iterable[Slice], work: Work) -> Iterator[Slice]:
        """Yield groups as rows, each at the line of its first row.

        Args:
            parts: The rows.
            work: Has the keys of the rows as they were read. Rows without a key are rejected here,
                and groups that cannot be used.
        """
        groups: list[Group] = []
        last: str | None = None
        for part in parts:
            for row, line in zip(part.rows, part.lines, strict=True):
                key = work.keys.get(line_of(line))
                if key is None or (key == ABOVE and last is None):
                    reason = self._no_key if isinstance(row, dict) else _NOT_AN_OBJECT
                    work.rejections.append(Rejection(line, (reason,), row))
                    continue
                if key in (last, ABOVE) and groups:
                    groups[-1].rows.append(row)
                    groups[-1].lines.append(line)
                    continue
                last = key
                if len(groups) >= _MOST_GROUPS:
                    yield self._finished(groups, work)
                    groups = []
                groups.append(Group([row], [line]))
        if groups:
            yield self._finished(groups, work)

    def _finished(self, groups: list[Group], work: Work) -> Slice:
        """Return the usable groups as a slice."""
        rejected = sorted({line_of(rejection.line) for rejection in work.rejections})
        usable = []
        for group in groups:
            first, end = line_of(group.lines[0]), line_of(group.lines[-1])
            work.note_group(first, list(dict.fromkeys(map(line_of, group.lines))))
            reason = None
            if len(group.rows) > self.max_rows:
                reason = too_many_rows(self.max_rows)
            elif _any_between(rejected, first, end):
                reason = UNREADABLE_ROW
            if reason is not None:
                work.rejections.append(Rejection(first, (reason,), None))
            else:
                group.fill()
                usable.append(group)
        return Slice(usable, [line_of(group.lines[0]) for group in usable])


_NOT_AN_OBJECT = Reason("the row", "is not a JSON object")


def _any_between(lines: list[int], first: int, end: int) -> bool:
    """Return whether any of some ascending lines is between two others."""
    return bisect_left(lines, end) > bisect_right(lines, first)
