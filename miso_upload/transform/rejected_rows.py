"""Shows rejected rows as they are in the source, whatever became of them since."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from miso_upload.records.element import line_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.records import Block, Rejection, RowFormat
    from miso_upload.records.slice import IsRecord
    from miso_upload.transform.batch_work import Work


class RejectedRows:
    """Reads the rejected rows of a block again.

    Args:
        rows: The format of the rows.
        block: The block.
        is_record: Tells rows from parts of rows; see `Format.slices`.
    """

    def __init__(self, rows: RowFormat, block: Block, is_record: IsRecord) -> None:
        self._format = rows
        self._block = block
        self._is_record = is_record

    def as_read(self, rejections: Sequence[Rejection], work: Work) -> list[Rejection]:
        """Return rejections with the rows as they are in the block.

        The user's function may have changed the rows that it was given, elements are only a part
        of a row, and groups are several. Parsing the few blocks with rejections again costs less
        than a copy of every row.
        """
        groups = {line: work.lines_of_group(line) or (line,) for line in _lines(rejections)}
        wanted = set(chain.from_iterable(groups.values()))
        read = {
            line: row
            for part in self._format.slices(self._block, self._is_record)
            for line, row in zip(part.lines, part.rows, strict=True)
            if line in wanted
        }
        return [self._with_rows(each, groups[line_of(each.line)], read) for each in rejections]

    def _with_rows(
        self, rejection: Rejection, lines: Sequence[int], read: dict[int, Any]
    ) -> Rejection:
        # A row of a group may have been rejected on its own, such as one without a key.
        if len(lines) > 1 and not isinstance(rejection.row, str):
            rows = [read.get(line) for line in lines]
            return replace(rejection, row=rows, lines=tuple(lines))
        return replace(rejection, row=read.get(line_of(rejection.line), rejection.row))

    def with_texts(self, rejections: Sequence[Rejection]) -> list[Rejection]:
        """Return rejections with the texts of their rows, for formats whose rows are JSON.

        A row that could not be parsed is text already.
        """
        parsed = [each for each in rejections if not isinstance(each.row, str)]
        lines = {line for each in parsed for line in (*each.lines, line_of(each.line))}
        texts = self._format.texts(self._block, lines) if lines else {}
        return [_with_text(each, texts) for each in rejections] if texts else list(rejections)


def _with_text(rejection: Rejection, texts: dict[int, bytes]) -> Rejection:
    if not rejection.lines:
        return replace(rejection, text=texts.get(line_of(rejection.line)))
    found = [texts[line] for line in rejection.lines if line in texts]
    whole = b"[" + b",".join(found) + b"]" if len(found) == len(rejection.lines) else None
    return replace(rejection, text=whole)


def _lines(rejections: Sequence[Rejection]) -> set[int]:
    return {line_of(rejection.line) for rejection in rejections}
