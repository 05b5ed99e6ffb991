"""The records of a batch as request bodies, which can be split and thinned out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from miso_upload.encoding import decode_joined, encode_joined

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from miso_upload.delivery.answers import Verdict
    from miso_upload.records import Record

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
    """

    def __init__(
        self,
        slices: Sequence[bytes],
        lines: Sequence[int],
        counts: Sequence[int],
        records: list[Record] | None = None,
    ) -> None:
        self.lines = lines
        self.causes: tuple[str, ...] = ()
        self.mark: int | None = None
        self.thinned = False
        self.accused: Verdict | None = None
        self._slices = slices
        self._counts = counts
        self._records = records

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

    def fitting(self, most_bytes: int) -> Iterator[Self]:
        """Yield parts whose bodies have at most `most_bytes`, unless a single record has more."""
        if self.size <= most_bytes or len(self) == 1:
            yield self
            return
        for half in self.halves():
            yield from half.fitting(most_bytes)

    def _some(self, positions: Sequence[int]) -> Self:
        records = self.records()
        some = [records[place] for place in positions]
        lines = [self.lines[place] for place in positions]
        return self._like_this((encode_joined(some),), lines, (len(some),), some)

    def _slice(self, some: slice, lines: slice) -> Self:
        return self._like_this(self._slices[some], self.lines[lines], self._counts[some])

    def _like_this(
        self,
        slices: Sequence[bytes],
        lines: Sequence[int],
        counts: Sequence[int],
        records: list[Record] | None = None,
    ) -> Self:
        part = type(self)(slices, lines, counts, records)
        part.causes, part.mark, part.thinned = self.causes, self.mark, self.thinned
        return part
