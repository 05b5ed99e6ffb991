"""Compares a source's records with those already sent, after the options have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.ledger.content_keys.reader import open_reader
from miso_upload.pipeline.resume import Comparison
from miso_upload.records.element import line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from miso_upload.ledger import Ledger
    from miso_upload.records import Batch, Block
    from miso_upload.sources import Source

_MOST_COMPARED = 10_000


def compare_source(
    source: Source,
    blocks: Callable[[], Iterable[Block]],
    transform: Callable[[Block], Batch],
    until: int,
    *,
    ledger: Ledger,
    keeps_changed: bool,
) -> Comparison:
    """Return the same as `compare`; nothing is compared if reading a source would consume it.

    Here `blocks` is a function that returns the blocks.
    """
    if not source.can_reopen:
        return Comparison(0, 0)
    return compare(blocks(), transform, until, ledger, keeps_changed=keeps_changed)


def compare(
    blocks: Iterable[Block],
    transform: Callable[[Block], Batch],
    until: int,
    ledger: Ledger,
    *,
    keeps_changed: bool,
) -> Comparison:
    """Return how many of a source's first records Miso has in the form that they have now.

    Records without a day are always compared, because their pseudo-day depends on their content.

    Args:
        blocks: The blocks of the source, in order.
        transform: Transforms a block into a batch.
        until: The line after the last row that was read with the earlier options.
        ledger: The ledger of the target.
        keeps_changed: Whether a record whose natural key Miso has with other content counts as
            known, because it is not sent.
    """
    reader = open_reader(ledger.contents, 0)
    compared = known = 0
    for block in blocks:
        if block.first_line >= until or compared >= _MOST_COMPARED:
            break
        batch = transform(block)
        read = [index for index, line in enumerate(batch.lines) if line_of(line) < until]
        days = reader.shared_days(batch.keyed.days)
        found = reader.look_up(batch.keyed, read)
        meant = {index for index in read if _is_of(days, batch.keyed.days[index])}
        compared += len(meant)
        kept = found.changed if keeps_changed else ()
        known += len(meant & {*found.already_sent, *found.unknown, *kept})
    return Comparison(compared, known)


def _is_of(days: Collection[int], day: int) -> bool:
    return day < 0 or day in days
