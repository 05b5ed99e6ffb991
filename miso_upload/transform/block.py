"""Block in, Batch out: parse, map, judge, survey and encode, a slice of rows at a time.

The transform trusts a slice and looks closer only where it must: rows are parsed in one call,
judged in one call and encoded in one call, and taken apart one by one only when a call fails, to
find out which row and why. It is a pure function of the block, so it can run in any process. Where
the user has code of their own, rows pass through it first, and what it makes of them is mapped.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import replace
from itertools import compress
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.records import Batch, Findings, Reason, Record, Rejection, RowFormat, Slice
from miso_upload.transform.hook import RETURNED_NONE
from miso_upload.transform.mapping import Mapped, MappedRows, Skipped, without_nulls
from miso_upload.transform.warnings import survey
from miso_upload.values.display import decoded_row
from miso_upload.values.hashing import checksum
from miso_upload.values.json import JSONEncodeError, encode, encode_joined
from miso_upload.values.regular_times import timestamps_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from miso_upload.records import Block
    from miso_upload.records.keyed_records import KeyedRecords
    from miso_upload.transform.content_keys.canonical_lines import SortedLines
    from miso_upload.transform.content_keys.keys import ContentKeys
    from miso_upload.transform.hook import UserCode
    from miso_upload.transform.mapping import Mapper
    from miso_upload.transform.validation import Judge

_NULL, _IP = re.compile(rb":null"), re.compile(rb'"ip":')
"""How a null and an address look in compact JSON; text may look so too, which costs little."""
_ESSENTIAL = {"", "the row", "type", "timestamp", "user_id", "anonymous_id", "ip"}
"""What reasons are about that keep a row from being anybody's at any time."""
_MANY = 4
"""Where one row in so many has to be mapped, all of them are."""


class Transform:
    """Turns blocks of one source into batches.

    Args:
        rows: Parses the source's rows.
        mapper: Turns a row into a record.
        judge: Says whether Miso will take a record, and if not, why.
        code: What the user does to a row before it is mapped, if anything.
        keys: Makes the content keys of records, if there are to be any.
    """

    def __init__(
        self,
        rows: RowFormat,
        mapper: Mapper,
        judge: Judge,
        code: UserCode | None = None,
        keys: ContentKeys | None = None,
    ) -> None:
        self._format = rows
        self._mapper = mapper
        self._judge = judge
        self._code = code
        self._keys = keys

    def __call__(self, block: Block) -> Batch:
        """Return the records of `block`, ready to be sent, and what became of its other rows."""
        work = _Work(as_they_are=self._mapper.leaves_records_alone)
        if block.fault is not None:
            fault = Rejection(block.first_line, (block.fault,), decoded_row(block.data))
            work.rejections.append(fault)
        else:
            parts = self._parts(block, work)
            if self._mapper.looks_at_rates:
                kept = list(parts)
                work.busy = self._mapper.busy(row for part in kept for row in part.rows)
                parts = iter(kept)
            for part in parts:
                self._take(part, work)
            if self._code is not None and work.rejections:
                work.rejections = self._as_read(block, work.rejections)
        work.rejections.sort(key=lambda rejection: rejection.line)
        work.rejections = with_texts(self._format, block, work.rejections)
        return Batch(
            seq=block.seq,
            start=block.start,
            end=block.end,
            first_line=block.first_line,
            line_count=block.lines,
            # A fault's data is cut short, so there is nothing to know it again by.
            checksum=b"" if block.fault is not None else checksum(block.data),
            rows=work.rows + (block.fault is not None),
            lines=_compact(work.lines),
            slices=tuple(work.encoded),
            counts=tuple(map(len, work.lines)),
            rejections=tuple(work.rejections),
            skipped=work.skipped,
            findings=work.findings,
            **work.keyed(),
        )

    def is_record(self, row: object) -> bool:
        """Return whether type, timestamp and id of what `row` becomes are good.

        A row that a rule leaves out is one too: it is counted, and must not vanish.
        """
        if self._code is not None:
            (row,) = self._code.apply([row])
            if row is None:
                return True
        outcome = self._mapper.apply(row, 0, Findings())
        if isinstance(outcome, Mapped):
            return self._judge.has_essentials(without_nulls(outcome.record))
        return isinstance(outcome, Skipped) or not any(
            reason.about.partition(".")[0] in _ESSENTIAL for reason in outcome
        )

    def _parts(self, block: Block, work: _Work) -> Iterator[Slice]:
        """Yield the rows of a block as they are mapped: parsed, and changed by the user's code."""
        for part in self._format.slices(block, self.is_record):
            for reason, line in part.warnings:
                work.findings.warn(reason, line)
            work.rows += len(part.rows) + len(part.rejections)
            work.rejections += part.rejections
            yield part if self._code is None else _changed(part, self._code, work)

    def _take(self, part: Slice, work: _Work) -> None:
        if not part.rows:
            return
        if not (work.as_they_are and self._take_as_they_are(part, work)):
            self._judge_and_encode(self._shape(part, range(len(part.rows)), work), work)

    def _take_as_they_are(self, part: Slice, work: _Work) -> bool:
        """Take rows that are good records already as they are, and look closer at the others only.

        Returns:
            Whether the slice is dealt with; if not, every row of it has to be looked at.
        """
        others = self._judge.refused(part.rows)
        if len(others) > len(part.rows) // _MANY:
            # The rows of one source are much alike: the slices that follow are not even tried.
            work.as_they_are = False
            return False
        encoded = self._encoded(part.rows)
        # The schema has no word on unknown keys of open objects.
        if encoded is None or encoded.may_have_null() or encoded.may_have_ip():
            return False
        if others:
            self._judge_and_encode(self._shape(part, others, work), work)
        else:
            itself = _Shaped(part.rows, list(part.lines), part.rows, [False] * len(part.rows))
            self._keep(itself, encoded, work)
        return True

    def _judge_and_encode(self, shaped: _Shaped, work: _Work) -> None:
        shaped = self._judged(shaped, work)
        encoded = self._encoded(shaped.records)
        if encoded is None:
            shaped = _kept(shaped, list(map(_not_encodable, shaped.records)), work)
            encoded = self._encoded(shaped.records)
        if encoded is not None and encoded.may_have_null():
            # Without its nulls, a record may lack what the schema wants.
            shaped = self._judged(shaped._replace(records=_without_nulls(shaped)), work)
            encoded = self._encoded(shaped.records)
        if shaped.records and encoded is not None:
            self._keep(shaped, encoded, work)

    def _encoded(self, records: list[Record]) -> _Encoded | None:
        """Return records as JSON, or None if one of them cannot be written."""
        in_order = self._keys.encode(records) if self._keys is not None and records else None
        if in_order is not None:
            return _Encoded(in_order.joined(), in_order)
        try:
            return _Encoded(encode_joined(records))
        except JSONEncodeError:
            return None

    def _keep(self, shaped: _Shaped, encoded: _Encoded, work: _Work) -> None:
        timestamps = timestamps_of(shaped.records)
        survey(shaped.records, shaped.lines, work.findings, timestamps)
        work.findings.ids["anonymous_id derived"] += sum(shaped.derived)
        work.encoded.append(encoded.text)
        work.lines.append(shaped.lines)
        if self._keys is not None:
            keyed = self._keys.of(shaped.records, shaped.rows, encoded.in_order, timestamps)
            work.note_keys(keyed, encoded.lengths(shaped.records))

    def _judged(self, shaped: _Shaped, work: _Work) -> _Shaped:
        """Return the records that are good, and set the others aside."""
        refused = self._judge.refused(shaped.records)
        if not refused:
            return shaped
        verdicts: list[tuple[Reason, ...]] = [()] * len(shaped.records)
        for place in refused:
            # What was mapped among others may only have been in need of a closer look.
            again = self._mapper.apply(shaped.rows[place], 0, Findings())
            if isinstance(again, Mapped):
                shaped.records[place] = again.record
            elif not isinstance(again, Skipped):
                verdicts[place] = again
                continue
            verdicts[place] = self._judge.reasons(shaped.records[place])
        return _kept(shaped, verdicts, work)

    def _shape(self, part: Slice, places: Sequence[int], work: _Work) -> _Shaped:
        """Map the rows at `places`; the others are records as they are."""
        some = [part.rows[place] for place in places], [part.lines[place] for place in places]
        mapped = MappedRows.unmapped(part.rows)
        mapped.put(places, self._mapper.apply_all(*some, work.findings, work.busy))
        shaped = _Shaped(mapped.records, list(part.lines), part.rows, mapped.derived)
        if not mapped.lost:
            return shaped
        for place, why in sorted(mapped.lost.items()):
            if isinstance(why, Skipped):
                work.skip(why.rule)
            else:
                work.rejections.append(Rejection(part.lines[place], why or (), part.rows[place]))
        return shaped.without(mapped.lost)

    def _as_read(self, block: Block, rejections: list[Rejection]) -> list[Rejection]:
        """Return rejections with the rows as they stand in the block, and not as they were changed.

        The user's code is given the very rows that were read; to parse those of a block with
        rejections once more costs less than to copy all rows of all blocks.
        """
        wanted = {rejection.line for rejection in rejections}
        read = {
            line: row
            for part in self._format.slices(block, self.is_record)
            for line, row in zip(part.lines, part.rows, strict=True)
            if line in wanted
        }
        return [
            replace(rejection, row=read.get(rejection.line, rejection.row))
            for rejection in rejections
        ]


def with_texts(rows: RowFormat, block: Block, rejections: list[Rejection]) -> list[Rejection]:
    """Return `rejections` with the texts of their rows, in formats where a row is JSON.

    What could not be parsed is shown as text already.
    """
    parsed = {each.line for each in rejections if not isinstance(each.row, str)}
    texts = rows.texts(block, parsed) if parsed else {}
    return (
        [replace(each, text=texts.get(each.line)) for each in rejections] if texts else rejections
    )


def _changed(part: Slice, code: UserCode, work: _Work) -> Slice:
    """Return what the user's code makes of rows; count those that it leaves out or fails on."""
    rows: list[Any] = []
    lines: list[int] = []
    for made, line in zip(code.apply(part.rows), part.lines, strict=True):
        if isinstance(made, dict):
            rows.append(made)
            lines.append(line)
        elif made is None:
            work.skip(RETURNED_NONE)
        else:
            work.rejections.append(Rejection(line, (made,), None))
    return Slice(rows, lines)


class _Shaped(NamedTuple):
    """Records, the line of each, the row that each was, and whether its id was derived."""

    records: list[Record]
    lines: list[int]
    rows: list[Any]
    derived: list[bool]

    def without(self, places: Container[int]) -> _Shaped:
        """Return what is not at `places`."""
        keep = [place not in places for place in range(len(self.records))]
        return _Shaped(*(list(compress(column, keep)) for column in self))


def _kept(shaped: _Shaped, verdicts: list[tuple[Reason, ...]], work: _Work) -> _Shaped:
    """Return the records that no reason speaks against, and set the others aside."""
    lost = {place: reasons for place, reasons in enumerate(verdicts) if reasons}
    for place, reasons in lost.items():
        work.rejections.append(Rejection(shaped.lines[place], reasons, shaped.rows[place]))
    return shaped.without(lost)


def _without_nulls(shaped: _Shaped) -> list[Record]:
    return [without_nulls(record) for record in shaped.records]


class _Encoded(NamedTuple):
    """The JSON texts of records, joined by commas.

    Attributes:
        text: What is sent.
        in_order: The same, where the records are encoded with sorted keys.
    """

    text: bytes
    in_order: SortedLines | None = None

    def may_have_null(self) -> bool:
        if self.in_order is not None:
            return self.in_order.has_null
        return _NULL.search(self.text) is not None

    def may_have_ip(self) -> bool:
        if self.in_order is not None:
            return "ip" in self.in_order.names
        return _IP.search(self.text) is not None

    def lengths(self, records: list[Record]) -> Iterable[int]:
        """Return how long the text of each record is."""
        if self.in_order is not None:
            return list(map(len, self.in_order.lines))
        return [len(encode(record)) for record in records]


def _not_encodable(record: Record) -> tuple[Reason, ...]:
    """Return why a record that was read cannot be written again: its depth, or a huge integer."""
    try:
        encode(record)
    except JSONEncodeError as error:
        return (Reason("the record", "cannot be written as JSON", f"({error})"),)
    return ()


class _Work:
    """What a block has come to so far."""

    def __init__(self, *, as_they_are: bool) -> None:
        self.as_they_are = as_they_are
        self.rows = self.skipped = 0
        self.lines: list[Sequence[int]] = []
        self.encoded: list[bytes] = []
        self.rejections: list[Rejection] = []
        self.findings = Findings()
        self.busy: Container[object] = ()
        self._keyed: list[tuple[KeyedRecords, Iterable[int]]] = []

    def note_keys(self, keyed: KeyedRecords, lengths: Iterable[int]) -> None:
        self._keyed.append((keyed, lengths))

    def keyed(self) -> dict[str, Any]:
        """Return the parts of a batch that are about content keys."""
        if not self._keyed:
            return {}
        keys, days, contents, sizes = array("Q"), array("i"), array("Q"), array("I")
        for keyed, lengths in self._keyed:
            keys += keyed.keys
            days += keyed.days
            contents += keyed.contents or array("Q")
            sizes += array("I", lengths)
        return {"keys": keys, "days": days, "contents": contents or None, "lengths": sizes}

    def skip(self, rule: str) -> None:
        self.skipped += 1
        self.findings.skipped[rule] += 1


def _compact(parts: list[Sequence[int]]) -> Sequence[int]:
    """Return the lines of all parts as one sequence; a range where they follow each other."""
    if not parts:
        return ()
    total = sum(map(len, parts))
    first, last = parts[0][0], parts[-1][-1]
    if last - first + 1 == total:
        return range(first, last + 1)
    lines: list[Any] = []
    for part in parts:
        lines += part
    return lines
