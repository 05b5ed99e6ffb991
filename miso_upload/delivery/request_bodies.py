"""Builds request bodies from a batch, and splits them without encoding records again."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Self

from miso_upload.records.unknown_outcomes import EARLIER_RUN
from miso_upload.values.json import decode_joined, encode_joined

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from miso_upload.delivery.answers import Outcome
    from miso_upload.records import Batch, Record, Selection

_PREFIX, _SUFFIX = b'{"data":[', b"]}"
ENVELOPE_START = len(_PREFIX)
ENVELOPE_BYTES = ENVELOPE_START + len(_SUFFIX)


def selected_bodies(batch: Batch, selection: Selection | None) -> list[RequestBody]:
    """Return the records to send, with those that Miso may have in a body of their own."""
    whole = RequestBody.of(batch)
    if selection is None or selection.fresh is None:
        return [whole] if len(whole) else []
    bodies = []
    if selection.doubtful:
        resent = whole.at_indices(selection.doubtful)
        resent.causes = (EARLIER_RUN,)
        bodies.append(resent)
    if selection.fresh:
        bodies.append(whole.at_indices(selection.fresh))
    return bodies


class RequestBody:
    """Some records of a batch, in order, with their source lines.

    The body is usually sent exactly as the transform encoded it. Records are decoded only if some
    of them must be removed and their lengths are unknown.

    Attributes:
        lines: The source line of each record.
        lengths: The size of each record's JSON in bytes, if known. Records can then be cut out
            without decoding the others.
        causes: Why the outcome of earlier requests with these records is unknown, one for each.
        accepted_before: The value of `AnswerHistory.accepted` when a larger body with these records
            failed; None if none did.
        suspected: The outcome that may be due to this single record, although Miso did not name it.
        reduced: Whether records that Miso named as bad were removed from it.
    """

    def __init__(
        self,
        slices: Sequence[bytes],
        lines: Sequence[int],
        counts: Sequence[int],
        lengths: Sequence[int] = (),
    ) -> None:
        self.lines = lines
        self.lengths = lengths
        self.causes: tuple[str, ...] = ()
        self.accepted_before: int | None = None
        self.reduced = False
        self.suspected: Outcome | None = None
        self._slices = slices
        self._counts = counts
        self._records: list[Record] | None = None

    @classmethod
    def of(cls, batch: Batch) -> Self:
        """Return a body with all records of a batch."""
        return cls(batch.slices, batch.lines, batch.counts, lengths=batch.lengths)

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def doubtful(self) -> bool:
        """Whether Miso may have stored the records already."""
        return bool(self.causes)

    @property
    def size(self) -> int:
        """Return the size of the encoded body in bytes."""
        return ENVELOPE_BYTES + sum(map(len, self._slices)) + max(len(self._slices) - 1, 0)

    def encoded(self) -> bytes:
        """Return the body as it is sent: `{"data":[...]}`."""
        return _PREFIX + b",".join(self._slices) + _SUFFIX

    def records(self) -> list[Record]:
        """Return the records as they are sent."""
        if self._records is None:
            self._records = decode_joined(self._slices)
        return self._records

    def halves(self) -> tuple[Self, Self]:
        """Return the first and second half, split between two slices if there are several."""
        if len(self._slices) == 1:
            middle = len(self) // 2
            return self._subset(range(middle)), self._subset(range(middle, len(self)))
        cut = len(self._slices) // 2
        middle = sum(self._counts[:cut])
        return (
            self._slice(slice(cut), slice(middle)),
            self._slice(slice(cut, None), slice(middle, None)),
        )

    def without(self, indices: Collection[int]) -> Self:
        """Return the records that are not at `indices`."""
        remaining = self._subset([i for i in range(len(self)) if i not in indices])
        remaining.reduced = True
        return remaining

    def at_indices(self, indices: Sequence[int]) -> Self:
        """Return the records at `indices`, which are in ascending order."""
        return self if len(indices) == len(self) else self._subset(indices)

    def split_to(self, max_bytes: int) -> Iterator[Self]:
        """Yield bodies of at most `max_bytes`; a larger single record has a body of its own."""
        if self.size <= max_bytes or len(self) == 1:
            yield self
            return
        for half in self.halves():
            yield from half.split_to(max_bytes)

    def _subset(self, indices: Sequence[int]) -> Self:
        if self.lengths:
            return self._cut_out(indices)
        records = self.records()
        some = [records[i] for i in indices]
        lines = [self.lines[i] for i in indices]
        body = self._derived((encode_joined(some),), lines, (len(some),))
        body._records = some  # noqa: SLF001 -- of the same class
        return body

    def _cut_out(self, indices: Sequence[int]) -> Self:
        """Return the records at `indices`, cut out of the slices without decoding them."""
        first = 0
        slices, counts = [], []
        by_slice = _by_slice(indices, self._counts)
        for text, count, wanted in zip(self._slices, self._counts, by_slice, strict=True):
            end = first + count
            if len(wanted) == count:
                slices.append(text)
            elif wanted:
                in_slice = [i - first for i in wanted]
                slices.append(b",".join(_pieces(text, self.lengths[first:end], in_slice)))
            if wanted:
                counts.append(len(wanted))
            first = end
        return self._derived(
            slices,
            list(map(self.lines.__getitem__, indices)),
            counts,
            list(map(self.lengths.__getitem__, indices)),
        )

    def _slice(self, slices: slice, records: slice) -> Self:
        return self._derived(
            self._slices[slices],
            self.lines[records],
            self._counts[slices],
            self.lengths[records],
        )

    def _derived(
        self,
        slices: Sequence[bytes],
        lines: Sequence[int],
        counts: Sequence[int],
        lengths: Sequence[int] = (),
    ) -> Self:
        """Return a body with other records, and with the history of this one."""
        body = type(self)(slices, lines, counts, lengths)
        body.causes, body.reduced = self.causes, self.reduced
        body.accepted_before = self.accepted_before
        return body


def _by_slice(indices: Sequence[int], counts: Sequence[int]) -> list[Sequence[int]]:
    """Return, for each slice, the indices of its records; `counts` has the sizes of the slices."""
    ends = [bisect_left(indices, end) for end in accumulate(counts, initial=0)]
    return [indices[begin:end] for begin, end in pairwise(ends)]


def _pieces(text: bytes, lengths: Sequence[int], indices: Sequence[int]) -> Iterator[bytes]:
    """Yield the records at `indices` of a slice; neighbors in one piece if most are wanted."""
    begins = [0, *accumulate(length + 1 for length in lengths)]
    if len(indices) <= len(lengths) // 2:
        yield from [text[begins[i] : begins[i + 1] - 1] for i in indices]
        return
    begin = 0
    for gap in (*sorted(set(range(len(lengths))).difference(indices)), len(lengths)):
        if gap > begin:
            yield text[begins[begin] : begins[gap] - 1]
        begin = gap + 1
