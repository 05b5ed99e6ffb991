"""Building one record: values converted and put where they belong, problems collected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.records import Reason
from miso_upload.transform.mapping.cells import CellError
from miso_upload.transform.mapping.paths import ABSENT
from miso_upload.values.display import quoted
from miso_upload.values.timestamps import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from miso_upload.records import Findings, Record
    from miso_upload.transform.mapping.cells import ConvertAll

IDENTITY_COLUMNS = ("ip", "user_agent", "forwarded_for")
"""What a row can have beside the attributes: they feed the identity and are no attributes."""


class Binding(NamedTuple):
    """An attribute, and how a value becomes it."""

    attribute: str
    parts: tuple[str, ...]
    convert: Callable[[Any], Any] | None
    """None where a JSON value is taken as it is, for the schema to judge."""
    shown: str = ""
    """The columns that it comes from, where they are called otherwise."""
    convert_all: ConvertAll | None = None
    """How all cells of a column become it at once; see `cells.column_converter`."""


class Mapped(NamedTuple):
    """A record, and whether its `anonymous_id` was derived from an address."""

    record: Record
    derived: bool


class Skipped(NamedTuple):
    """A row that the user's rules leave out, and the name of the rule that did."""

    rule: str


class MappedRows(NamedTuple):
    """What many rows became.

    Attributes:
        records: The record of each row; of those in `lost`, anything.
        derived: For each of them, whether its `anonymous_id` was derived.
        lost: The places of the rows that are no record, and why; None where it is not known yet.
    """

    records: list[Any]
    derived: list[bool]
    lost: dict[int, Skipped | tuple[Reason, ...] | None]

    @classmethod
    def unmapped(cls, rows: Sequence[Any]) -> MappedRows:
        """Return what rows are before any of them is mapped: as they were read."""
        return cls(list(rows), [False] * len(rows), {})

    def put(self, places: Sequence[int], some: MappedRows) -> None:
        """Take over what the rows at `places` became."""
        for place, record, was_derived in zip(places, some.records, some.derived, strict=True):
            self.records[place] = record
            self.derived[place] = was_derived
        for place, reason in some.lost.items():
            self.lost[places[place]] = reason


class RecordBuilder:
    """What a row has come to so far."""

    __slots__ = ("findings", "line", "reasons", "record", "sides")

    def __init__(self, line: int, findings: Findings) -> None:
        self.line = line
        self.findings = findings
        self.record: Record = {}
        self.sides: dict[str, Any] = {}
        self.reasons: list[Reason] = []

    def put(self, binding: Binding, value: Any) -> None:  # noqa: ANN401 -- any JSON value
        """Convert a value and put it where it belongs, or note why it cannot be."""
        attribute, parts, convert = binding[:3]
        if isinstance(value, dict | list):
            value = without_nulls(value)
        if attribute in IDENTITY_COLUMNS:
            self.sides[attribute] = value
            return
        if convert is not None:
            try:
                converted = convert(value)
            except CellError as error:
                self.reasons.append(_cannot(binding, value, str(error)))
                return
            value = converted if type(converted) is str else self._read(binding, value, converted)
        if type(value) is str and len(parts) == 1:
            self.record[attribute] = value
        elif value is not ABSENT and not _merge(self.record, parts, value):
            reason = _cannot(binding, ABSENT, "stands beside a value that is not an object")
            self.reasons.append(reason)

    def _read(self, binding: Binding, value: object, converted: Any) -> Any:  # noqa: ANN401
        """Return what a conversion came to; a reading of a time may have something to say."""
        if isinstance(converted, dict):
            return without_nulls(converted)
        if not isinstance(converted, Reading):
            return converted
        if converted.problem is not None:
            self.reasons.append(_cannot(binding, value, converted.problem))
            return ABSENT
        if converted.note is not None:
            note = Reason(binding.attribute, converted.note, quoted(value))
            self.findings.warn(note, self.line)
        return converted.text


def _cannot(binding: Binding, value: object, problem: str) -> Reason:
    column = f" (column {quoted(binding.shown)})" if binding.shown else ""
    shown = "" if value is ABSENT else quoted(value)
    return Reason(binding.attribute, problem + column, shown)


def _merge(record: dict[str, Any], parts: tuple[str, ...], value: object) -> bool:
    """Put `value` at `parts`, beside what is there; False where something is in the way."""
    place = record
    for part in parts[:-1]:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            return False
    name = parts[-1]
    if isinstance(value, dict):
        there = place.get(name)
        if isinstance(there, dict):
            return all(_merge(there, (key,), inner) for key, inner in value.items())
    place[name] = value
    return True


def without_nulls(value: Any) -> Any:  # noqa: ANN401
    """Return a JSON value without the nulls in its objects; a null in a list has a place and stays.

    Iterative nesting is bounded by the JSON parser, which refuses deeper values.
    """
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value
