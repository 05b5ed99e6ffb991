"""Builds the records of many rows from the values of their attributes, level by level."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

from miso_upload.transform.mapping.column_values import Column
from miso_upload.transform.mapping.paths import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from miso_upload.records import Record

    Path = tuple[str, ...]


class RecordTree:
    """The objects of a record, each with the names in it and the index of the column of each.

    Args:
        paths: The index of each column, and the path of its attribute. The paths must be disjoint.
    """

    def __init__(self, paths: Iterable[tuple[int, Path]]) -> None:
        below: dict[str, list[tuple[int, Path]]] = {}
        for index, (name, *rest) in paths:
            below.setdefault(name, []).append((index, tuple(rest)))
        self._names = tuple(below)
        self._branches = [
            branch[0][0] if branch == [(branch[0][0], ())] else RecordTree(branch)
            for branch in below.values()
        ]

    def records(self, columns: Sequence[Column], size: int) -> list[Record]:
        """Return `size` records, one for each row."""
        if not self._names:
            return [{} for _ in range(size)]
        objects, has_gaps, _ = self.objects(columns)
        return [{} if each is ABSENT else each for each in objects] if has_gaps else objects

    def objects(self, columns: Sequence[Column]) -> Column:
        """Return the object of each row, `ABSENT` instead of an empty one."""
        names = self._names
        inner = [
            columns[branch] if isinstance(branch, int) else branch.objects(columns)
            for branch in self._branches
        ]
        if len(inner) == 1 and not inner[0].has_gaps:
            (name,) = names
            return Column([{name: value} for value in inner[0].values], has_gaps=False)
        by_row = zip(*[column.values for column in inner], strict=True)
        if not any(column.has_gaps for column in inner):
            return Column(list(map(dict, map(zip, repeat(names), by_row))), has_gaps=False)
        objects = [
            {name: value for name, value in zip(names, values, strict=True) if value is not ABSENT}
            or ABSENT
            for values in by_row
        ]
        return Column(objects, has_gaps=ABSENT in objects)


def are_disjoint(paths: Sequence[tuple[str, ...]]) -> bool:
    """Return whether no path is equal to another one or leads into its value."""
    inner = {path[:size] for path in paths for size in range(1, len(path))}
    return len(paths) == len(set(paths)) and inner.isdisjoint(paths)
