"""The records of a batch as request bodies, which can be split and thinned out."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Self

from miso_upload.values.json import decode_joined, encode_joined

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from miso_upload.delivery.answers import Verdict
    from miso_upload.records import Batch, Record

_BEFORE, _AFTER = b'{"data":[', b"]}"
ENVELOPE_BYTES = len(_BEFORE) + len(_AFTER)


class Part:
    """Some records of a batch, in order, with the source line of each.

    The records are decoded only when one of them must be told from the others; the common part goes
    out exactly as the transform encoded it.

    Attributes:
        causes: Why the outcome of each earlier request with them is unknown, one cause for each.
        mark: What `Evidence.mark` was when a larger part with them failed; None if none did.
        accused: The answer by which Miso has blamed a single record without naming it.
        thinned: Records that Miso named as bad were taken out of it.
        lengths: The bytes of each record, if they are known; so records can be cut out of the
            common part without decoding it.
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
        self.mark: int | None = None
        self.thinned = False
        self.accused: Verdict | None = None
        self._slices = slices
        self._counts = counts
        self._records: list[Record] | None = None

    @classmethod
    def of(cls, batch: Batch) -> Self:
        """Return all records of a batch."""
        return cls(batch.slices, batch.lines, batch.counts, lengths=batch.lengths)

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def doubtful(self) -> bool:
        """Whether Miso may have stored them already."""
        return bool(self.causes)

    @property
    def size(self) -> int:
        """Return the bytes of the request body."""
        return ENVELOPE_BYTES + sum(map(len, self._slices)) + max(len(self._slices) - 1, 0)

    def body(self) -> bytes:
        """Return the request body: `{"data":[...]}`."""
        return _BEFORE + b",".join(self._slices) + _AFTER

    def records(self) -> list[Record]:
        """Return the records as they are sent."""
        if self._records is None:
            self._records = decode_joined(self._slices)
        return self._records

    def halves(self) -> tuple[Self, Self]:
        """Return the first and the second half; between two slices, where there are several."""
        if len(self._slices) == 1:
            middle = len(self) // 2
            return self._some(range(middle)), self._some(range(middle, len(self)))
        cut = len(self._slices) // 2
        middle = sum(self._counts[:cut])
        return (
            self._slice(slice(cut), slice(middle)),
            self._slice(slice(cut, None), slice(middle, None)),
        )

    def without(self, positions: Collection[int]) -> Self:
        """Return the records that are not at `positions`."""
        rest = self._some([place for place in range(len(self)) if place not in positions])
        rest.thinned = True
        return rest

    def at(self, lines: Collection[int], causes: tuple[str, ...] = ()) -> Self:
        """Return the records that stand at `lines` of the source."""
        part = self._some([place for place, line in enumerate(self.lines) if line in lines])
        part.causes = causes
        return part

    def at_indices(self, indices: Sequence[int]) -> Self:
        """Return the records at these indices, which are in ascending order."""
        return self if len(indices) == len(self) else self._some(indices)

    def fitting(self, most_bytes: int) -> Iterator[Self]:
        """Yield parts whose bodies have at most `most_bytes`, unless a single record has more."""
        if self.size <= most_bytes or len(self) == 1:
            yield self
            return
        for half in self.halves():
            yield from half.fitting(most_bytes)

    def _some(self, positions: Sequence[int]) -> Self:
        if self.lengths:
            return self._cut(positions)
        records = self.records()
        some = [records[place] for place in positions]
        lines = [self.lines[place] for place in positions]
        part = self._like_this((encode_joined(some),), lines, (len(some),))
        part._records = some  # noqa: SLF001 -- of the same class
        return part

    def _cut(self, positions: Sequence[int]) -> Self:
        """Return the records at `positions`, cut out of the text."""
        first = 0
        slices, counts = [], []
        wanted = _by_slice(positions, self._counts)
        for text, count, places in zip(self._slices, self._counts, wanted, strict=True):
            behind = first + count
            if len(places) == count:
                slices.append(text)
            elif places:
                there = [at - first for at in places]
                slices.append(b",".join(_pieces(text, self.lengths[first:behind], there)))
            if places:
                counts.append(len(places))
            first = behind
        return self._like_this(
            slices,
            list(map(self.lines.__getitem__, positions)),
            counts,
            list(map(self.lengths.__getitem__, positions)),
        )

    def _slice(self, some: slice, lines: slice) -> Self:
        return self._like_this(
            self._slices[some], self.lines[lines], self._counts[some], self.lengths[lines]
        )

    def _like_this(
        self,
        slices: Sequence[bytes],
        lines: Sequence[int],
        counts: Sequence[int],
        lengths: Sequence[int] = (),
    ) -> Self:
        part = type(self)(slices, lines, counts, lengths)
        part.causes, part.mark, part.thinned = self.causes, self.mark, self.thinned
        return part


def _by_slice(positions: Sequence[int], counts: Sequence[int]) -> list[Sequence[int]]:
    """Return, for slices of so many records, which of the positions are in each of them."""
    ends = [bisect_left(positions, end) for end in accumulate(counts, initial=0)]
    return [positions[begin:end] for begin, end in pairwise(ends)]


def _pieces(text: bytes, lengths: Sequence[int], places: Sequence[int]) -> Iterator[bytes]:
    """Yield the records at `places` of a slice, neighbours together where most are wanted."""
    begins = [0, *accumulate(length + 1 for length in lengths)]
    if len(places) <= len(lengths) // 2:
        yield from [text[begins[at] : begins[at + 1] - 1] for at in places]
        return
    begin = 0
    for gap in (*sorted(set(range(len(lengths))).difference(places)), len(lengths)):
        if gap > begin:
            yield text[begins[begin] : begins[gap] - 1]
        begin = gap + 1
