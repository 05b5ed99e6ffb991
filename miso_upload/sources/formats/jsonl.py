"""Reads JSON Lines: one JSON value on each line, with or without a comma after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from miso_upload.sources.formats.json_rows import as_json, parse_rows
from miso_upload.sources.formats.lines import cut_lines

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from miso_upload.records import Block, Slice
    from miso_upload.records.slice import IsRecord
    from miso_upload.sources.formats.base import Cut, Limits, Tail


class JsonLines(NamedTuple):
    """JSON Lines, also called NDJSON."""

    row_bytes: int
    name: str = "jsonl"
    columns: tuple[str, ...] | None = None
    preset: str | None = None
    by_line: bool = True
    has_directives: bool = False
    skips_directives: bool = False
    repeated: tuple[str, ...] = ()
    comma_ends_row: bool = False
    remark: str = ""

    def cut(self, data: bytes, limits: Limits, tail: Tail) -> Cut | None:
        """See `Format.cut`: every line is a row."""
        return cut_lines(data, limits, tail)

    def directive(self, data: bytes) -> bytes:  # noqa: ARG002 -- as the protocol wants it
        """See `Format.directive`: there are none."""
        return b""

    def ends_well(self, rest: bytes) -> bool:
        """See `Format.ends_well`: there is no end marker."""
        return not rest

    def slices(self, block: Block, is_record: IsRecord | None = None) -> Iterator[Slice]:  # noqa: ARG002 -- each line is a row
        """See `Format.slices`."""
        texts = block.data.split(b"\n")
        if not texts[-1]:
            texts.pop()
        lines = range(block.first_line, block.first_line + len(texts))
        return parse_rows(texts, lines, self.row_bytes)

    def texts(self, block: Block, lines: Collection[int]) -> dict[int, bytes]:
        """See `Format.texts`."""
        texts = block.data.split(b"\n")
        return {line: as_json(texts[line - block.first_line]) for line in lines}
