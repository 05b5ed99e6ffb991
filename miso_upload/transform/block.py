"""Turns a block into a batch: parse, map, validate, count and encode, a slice of rows at a time.

Each slice is parsed in one call, validated in one call and encoded in one call. Only if a call
fails are the rows examined one by one, to find out which row failed and why. The transform is a
pure function of the block, so it can run in any process. If the user has a function of their own,
it changes the rows before they are mapped.
"""

from __future__ import annotations

from array import array
from dataclasses import replace
from itertools import compress
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.records import Batch, Findings, Reason, Record, Rejection, RowFormat, Slice
from miso_upload.records.outside import OutsideRows
from miso_upload.transform.carry_down import CarryDown
from miso_upload.transform.encoded_records import Encoded, not_encodable
from miso_upload.transform.mapping import Mapped, MappedRows, Skipped, without_nulls
from miso_upload.transform.record_ids import RecordIds
from miso_upload.transform.sampling import NOT_SAMPLED, take_sample
from miso_upload.transform.scope import WHOLE
from miso_upload.transform.warnings import survey
from miso_upload.values.display import decoded_row
from miso_upload.values.hashing import checksum
from miso_upload.values.json import JSONEncodeError, encode_joined
from miso_upload.values.regular_times import timestamps_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from miso_upload.records import Block
    from miso_upload.records.keyed_records import KeyedRecords
    from miso_upload.records.slice import IsRecord
    from miso_upload.transform.content_keys.keys import ContentKeys
    from miso_upload.transform.hook import UserCode
    from miso_upload.transform.mapping import Mapper
    from miso_upload.transform.scope import Scope
    from miso_upload.transform.validation import RecordValidator

_ESSENTIAL = {"", "the row", "type", "timestamp", "user_id", "anonymous_id", "ip"}
"""If a reason is about one of these, the row has no visitor, no time or no type."""
_MANY = 4
"""If more than one row in this many has to be mapped, all rows are mapped."""


class Transform:
    """Turns blocks of one source into batches.

    Args:
        rows: Parses the source's rows.
        mapper: Maps rows to records.
        validator: Validates records.
        code: The user's own function, which changes rows before they are mapped.
        keys: Makes the content keys of records; None for a batch without keys.
        scope: Decides which valid records are left out as outside.
        carry_down: The columns whose empty cells take the last value above.
    """

    def __init__(  # noqa: PLR0913 -- the last ones are for few runs
        self,
        rows: RowFormat,
        mapper: Mapper,
        validator: RecordValidator,
        code: UserCode | None = None,
        keys: ContentKeys | None = None,
        carry_down: Sequence[str] = (),
        *,
        scope: Scope = WHOLE,
    ) -> None:
        self._format = rows
        self._mapper = mapper
        self._validator = validator
        self._code = code
        self._keys, self._scope = keys, scope
        self._carry_down = CarryDown(carry_down)

    def __call__(self, block: Block) -> Batch:
        """Return the records of `block`, ready to be sent, and the outcomes of its other rows."""
        work = _Work(pass_through=self._mapper.passes_records_through)
        if block.fault is not None:
            fault = Rejection(block.first_line, (block.fault,), decoded_row(block.data))
            work.rejections.append(fault)
        else:
            parts = self._parts(block, work)
            if self._mapper.has_bot_rate:
                kept = list(parts)
                work.busy = self._mapper.busy_minutes(row for part in kept for row in part.rows)
                parts = iter(kept)
            for part in parts:
                self._take(part, work)
            if (self._code is not None or self._carry_down) and work.rejections:
                work.rejections = self._as_read(block, work.rejections)
        work.findings.forget_rare_ids()
        work.rejections.sort(key=lambda rejection: rejection.line)
        work.rejections = with_texts(self._format, block, work.rejections)
        return Batch(
            seq=block.seq,
            start=block.start,
            end=block.end,
            first_line=block.first_line,
            line_count=block.lines,
            # The data of a fault is cut short, so a checksum could not identify it.
            checksum=b"" if block.fault is not None else checksum(block.data),
            rows=work.rows + (block.fault is not None),
            lines=_compact(work.lines),
            slices=tuple(work.encoded),
            counts=tuple(map(len, work.lines)),
            rejections=tuple(work.rejections),
            skipped=work.skipped,
            outside=tuple(sorted(work.outside)),
            outside_rows=work.outside_rows,
            findings=work.findings,
            **work.keyed(),
        )

    def is_record(self, row: object) -> bool:
        """Return whether the type, the timestamp and the id of the row's record are valid.

        A skipped row counts as a record too, because it has to be counted.
        """
        if self._code is not None:
            (row,) = self._code.apply([row])
            if row is None:
                return True
        outcome = self._mapper.map_row(row, 0, Findings())
        if isinstance(outcome, Mapped):
            return self._validator.has_essentials(without_nulls(outcome.record))
        return isinstance(outcome, Skipped) or not any(
            reason.about.partition(".")[0] in _ESSENTIAL for reason in outcome
        )

    def _parts(self, block: Block, work: _Work) -> Iterator[Slice]:
        """Yield the parsed rows of a block, after the user's function if there is one."""
        for part in self._slices(block):
            for reason, line in part.warnings:
                work.findings.warn(reason, line)
            work.rows += len(part.rows) + len(part.rejections) + len(part.skipped)
            for kind in part.skipped:
                work.skip(kind)
            if self._scope.sample < 1:
                lines = take_sample(part, self._scope.sample)
                work.leave_out(lines, {NOT_SAMPLED: len(lines)})
            work.rejections += part.rejections
            yield part if self._code is None else _changed(part, self._code, work)

    def _slices(self, block: Block) -> Iterator[Slice]:
        """Return the parsed rows of a block, with values carried down."""
        parts = self._format.slices(block, self.is_record_of(block))
        if not self._carry_down:
            return parts
        values = self._carry_down.values_before(block)
        return (self._carry_down.fill(part, values) for part in parts)

    def values_after(self, block: Block) -> Mapping[str, Any]:
        """Return the last values of the columns of `carry_down` after a block."""
        if block.fault is not None:
            return self._carry_down.unreadable()
        values = self._carry_down.values_before(block)
        for part in self._format.slices(block, self.is_record_of(block)):
            self._carry_down.fill(part, values)
        return values

    def is_record_of(self, block: Block) -> IsRecord:
        """Return `is_record` for the rows of a block before values are carried down."""
        if not self._carry_down:
            return self.is_record
        return self._carry_down.with_values(self.is_record, block)

    def _take(self, part: Slice, work: _Work) -> None:
        if not part.rows:
            return
        if not (work.pass_through and self._pass_through(part, work)):
            self._validate_and_encode(self._map(part, range(len(part.rows)), work), work)

    def _pass_through(self, part: Slice, work: _Work) -> bool:
        """Take rows that are valid records unchanged, and map only the others.

        Returns:
            Whether the slice is done. If not, all of its rows have to be mapped.
        """
        others = self._validator.invalid_indices(part.rows)
        if len(others) > len(part.rows) // _MANY:
            # The rows of a source are similar, so the following slices are not tried at all.
            work.pass_through = False
            return False
        encoded = self._encoded(part.rows)
        # The schema does not restrict unknown keys of open objects.
        if encoded is None or encoded.may_have_null() or encoded.may_have_ip():
            return False
        valid = part.rows
        if others:
            left_out = frozenset(others)
            valid = [row for i, row in enumerate(part.rows) if i not in left_out]
        ids = RecordIds.of(valid, encoded.attributes())
        if not self._mapper.leaves_unchanged(valid, ids):
            return False
        if others:
            self._validate_and_encode(self._map(part, others, work), work)
        else:
            rows = _MappedSlice(part.rows, list(part.lines), part.rows, [False] * len(part.rows))
            self._keep(rows, encoded, work, ids)
        return True

    def _validate_and_encode(self, mapped: _MappedSlice, work: _Work) -> None:
        mapped = self._valid(mapped, work)
        encoded = self._encoded(mapped.records)
        if encoded is None:
            mapped = _accepted(mapped, list(map(not_encodable, mapped.records)), work)
            encoded = self._encoded(mapped.records)
        if encoded is not None and encoded.may_have_null():
            # Without its nulls, a record may lack a required attribute.
            mapped = self._valid(mapped._replace(records=_without_nulls(mapped)), work)
            encoded = self._encoded(mapped.records)
        if mapped.records and encoded is not None:
            self._keep(mapped, encoded, work)

    def _encoded(self, records: list[Record]) -> Encoded | None:
        """Return records as JSON, or None if one of them cannot be encoded."""
        try:
            return self._encode(records)
        except JSONEncodeError:
            return None

    def _encode(self, records: list[Record]) -> Encoded:
        in_order = self._keys.encode(records) if self._keys is not None and records else None
        if in_order is not None:
            return Encoded(in_order.joined(), in_order)
        return Encoded(encode_joined(records))

    def _keep(
        self, mapped: _MappedSlice, encoded: Encoded, work: _Work, ids: RecordIds | None = None
    ) -> None:
        timestamps = timestamps_of(mapped.records)
        if left_out := self._scope.left_out(mapped.records, timestamps):
            work.leave_out([mapped.lines[i] for i in left_out.indices], left_out.reasons)
            work.outside_rows.include(left_out.rows)
            mapped, ids = mapped.without(frozenset(left_out.indices)), None
            if not mapped.records:
                return
            encoded = self._encode(mapped.records)
            timestamps = timestamps_of(mapped.records)
        ids = ids or RecordIds.of(mapped.records, encoded.attributes())
        survey(mapped.records, mapped.lines, work.findings, timestamps, ids)
        work.findings.ids["anonymous_id derived"] += sum(mapped.derived)
        work.encoded.append(encoded.text)
        work.lines.append(mapped.lines)
        if self._keys is not None:
            keyed = self._keys.of(mapped.records, mapped.rows, encoded.in_order, timestamps)
            work.note_keys(keyed, encoded.lengths(mapped.records))

    def _valid(self, mapped: _MappedSlice, work: _Work) -> _MappedSlice:
        """Return the records that are valid, and reject the others."""
        invalid = self._validator.invalid_indices(mapped.records)
        if not invalid:
            return mapped
        reasons: list[tuple[Reason, ...]] = [()] * len(mapped.records)
        for index in invalid:
            # The fast path leaves nulls in records, so the exact path maps the row once more.
            outcome = self._mapper.map_row(mapped.rows[index], 0, Findings())
            if isinstance(outcome, Mapped):
                mapped.records[index] = outcome.record
            elif not isinstance(outcome, Skipped):
                reasons[index] = outcome
                continue
            reasons[index] = self._validator.reasons(mapped.records[index])
        return _accepted(mapped, reasons, work)

    def _map(self, part: Slice, indices: Sequence[int], work: _Work) -> _MappedSlice:
        """Map the rows at `indices`; every other row is its own record."""
        some = [part.rows[index] for index in indices], [part.lines[index] for index in indices]
        outcomes = MappedRows.before_mapping(part.rows)
        outcomes.put(indices, self._mapper.map_rows(*some, work.findings, work.busy))
        mapped = _MappedSlice(outcomes.records, list(part.lines), part.rows, outcomes.derived)
        if not outcomes.not_mapped:
            return mapped
        for index, outcome in sorted(outcomes.not_mapped.items()):
            if isinstance(outcome, Skipped):
                work.skip(outcome.rule)
            else:
                rejection = Rejection(part.lines[index], outcome or (), part.rows[index])
                work.rejections.append(rejection)
        return mapped.without(outcomes.not_mapped)

    def _as_read(self, block: Block, rejections: list[Rejection]) -> list[Rejection]:
        """Return rejections with the rows as they are in the block.

        The user's function may have changed the rows that it was given. Parsing the few blocks with
        rejections again costs less than a copy of every row.
        """
        wanted = {rejection.line for rejection in rejections}
        read = {
            line: row
            for part in self._format.slices(block, self.is_record_of(block))
            for line, row in zip(part.lines, part.rows, strict=True)
            if line in wanted
        }
        return [
            replace(rejection, row=read.get(rejection.line, rejection.row))
            for rejection in rejections
        ]


def with_texts(rows: RowFormat, block: Block, rejections: list[Rejection]) -> list[Rejection]:
    """Return `rejections` with the texts of their rows, for formats whose rows are JSON.

    A row that could not be parsed is text already.
    """
    parsed = {each.line for each in rejections if not isinstance(each.row, str)}
    texts = rows.texts(block, parsed) if parsed else {}
    return (
        [replace(each, text=texts.get(each.line)) for each in rejections] if texts else rejections
    )


def _changed(part: Slice, code: UserCode, work: _Work) -> Slice:
    """Return rows as the user's function returns them; note those that it skips or fails on."""
    from miso_upload.transform.hook import RETURNED_NONE  # noqa: PLC0415 -- few runs have a hook

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


class _MappedSlice(NamedTuple):
    """Records, each with its line, its row, and whether its `anonymous_id` was derived."""

    records: list[Record]
    lines: list[int]
    rows: list[Any]
    derived: list[bool]

    def without(self, indices: Container[int]) -> _MappedSlice:
        """Return all records but those at `indices`."""
        keep = [index not in indices for index in range(len(self.records))]
        return _MappedSlice(*(list(compress(column, keep)) for column in self))


def _accepted(mapped: _MappedSlice, reasons: list[tuple[Reason, ...]], work: _Work) -> _MappedSlice:
    """Return the records without a reason against them, and reject the others."""
    rejected = {index: found for index, found in enumerate(reasons) if found}
    for index, found in rejected.items():
        work.rejections.append(Rejection(mapped.lines[index], found, mapped.rows[index]))
    return mapped.without(rejected)


def _without_nulls(mapped: _MappedSlice) -> list[Record]:
    return [without_nulls(record) for record in mapped.records]


class _Work:
    """The batch of a block, as far as it is made."""

    def __init__(self, *, pass_through: bool) -> None:
        self.pass_through = pass_through
        self.rows = self.skipped = 0
        self.lines: list[Sequence[int]] = []
        self.encoded: list[bytes] = []
        self.rejections: list[Rejection] = []
        self.findings = Findings()
        self.outside: list[int] = []
        self.outside_rows = OutsideRows()
        self.busy: Container[object] = ()
        self._keyed: list[tuple[KeyedRecords, Iterable[int]]] = []

    def note_keys(self, keyed: KeyedRecords, lengths: Iterable[int]) -> None:
        self._keyed.append((keyed, lengths))

    def keyed(self) -> dict[str, Any]:
        """Return the fields of a batch that are about content keys."""
        if not self._keyed:
            return {}
        keys, days, contents, sizes = array("Q"), array("i"), array("Q"), array("I")
        for keyed, lengths in self._keyed:
            keys += keyed.keys
            days += keyed.days
            contents += keyed.contents or array("Q")
            sizes += array("I", lengths)
        return {"keys": keys, "days": days, "contents": contents or None, "lengths": sizes}

    def leave_out(self, lines: Sequence[int], reasons: Mapping[str, int]) -> None:
        self.outside += lines
        self.findings.outside.update(reasons)

    def skip(self, rule: str) -> None:
        self.skipped += 1
        self.findings.skipped[rule] += 1


def _compact(parts: list[Sequence[int]]) -> Sequence[int]:
    """Return the lines of all parts as one sequence; a range if they are consecutive."""
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
