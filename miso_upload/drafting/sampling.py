"""Reads the sample of a draft: the first block of a source, and rows spread over the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miso_upload.drafting.further_rows import further_rows
from miso_upload.drafting.roles import infer
from miso_upload.errors import SourceError

if TYPE_CHECKING:
    from miso_upload.drafting.draft import Draft
    from miso_upload.records import Block
    from miso_upload.sources import Source
    from miso_upload.transform.schema.schema import Schema


def draft_of(
    source: Source, schema: Schema, options: dict[str, Any] | None = None
) -> tuple[Draft, Block]:
    """Return a draft of the mapping for a source, and the block that it was made from.

    Raises:
        SourceError: The block has no rows.
    """
    for block in source.blocks(source.body_start, source.body_line):
        rows = [] if block.fault else [row for part in source.format.slices(block)
                                       for row in part.rows]  # fmt: skip
        if any(isinstance(row, dict) for row in rows):
            return infer(rows, schema, options, further_rows(source, block.end)), block
        break
    raise SourceError(
        f"{source.name}: miso-upload found no rows to draft a mapping from; name a file with rows"
    )
