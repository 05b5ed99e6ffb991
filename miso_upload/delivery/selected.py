"""The records of a batch that are to be sent, cut out of it without decoding the others."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from miso_upload.delivery.parts import Part
from miso_upload.outcomes import EARLIER_RUN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from miso_upload.records import Batch, Selection


def selected_parts(batch: Batch, selection: Selection | None) -> list[Part]:
    """Return the parts to send: what may be at Miso already apart from what certainly is not."""
    if selection is None or selection.fresh is None:
        whole = Part(batch.slices, batch.lines, batch.counts)
        return [whole] if len(whole) else []
    again = _picked(batch, selection.doubtful)
    again.causes = (EARLIER_RUN,)
    return [part for part in (again, _picked(batch, selection.fresh)) if len(part)]


def _picked(batch: Batch, indices: Sequence[int]) -> Part:
    if len(indices) == len(batch.lines):
        return Part(batch.slices, batch.lines, batch.counts)
    slices: list[bytes] = []
    counts: list[int] = []
    for text, first, wanted in _by_slice(batch, indices):
        lengths = batch.lengths[first : first + len(wanted)]
        starts = accumulate(lengths, lambda start, length: start + length + 1, initial=0)
        records = [
            text[start : start + length]
            for start, length, is_wanted in zip(starts, lengths, wanted, strict=False)
            if is_wanted
        ]
        slices.append(b",".join(records))
        counts.append(len(records))
    lines = [batch.lines[index] for index in indices]
    return Part(tuple(slices), lines, tuple(counts))


def _by_slice(batch: Batch, indices: Sequence[int]) -> Iterator[tuple[bytes, int, bytearray]]:
    """Yield each slice with wanted records: its text, its first index, and which are wanted."""
    mask = bytearray(len(batch.lines))
    for index in indices:
        mask[index] = 1
    first = 0
    for text, count in zip(batch.slices, batch.counts, strict=True):
        wanted = mask[first : first + count]
        if any(wanted):
            yield text, first, wanted
        first += count
