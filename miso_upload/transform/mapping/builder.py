"""Builds one record: converts values, puts them in place, and collects the reasons against it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.records import Reason
from miso_upload.transform.mapping.cells import CellError, Noted
from miso_upload.transform.mapping.paths import ABSENT
from miso_upload.values.display import quoted
from miso_upload.values.timestamps import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from miso_upload.records import Findings, Record
    from miso_upload.transform.mapping.cells import ConvertAll
    from miso_upload.values.null_words import NullWords

IDENTITY_COLUMNS = ("ip", "user_agent", "forwarded_for")
"""What a row can have besides attributes: the identity is derived from it, and it is not sent."""


class Binding(NamedTuple):
    """An attribute, and how a value is converted for it.

    Attributes:
        attribute: The attribute, by its dotted path.
        parts: The steps of that path.
        convert: Converts one value; None if a JSON value is taken unchanged and only validated.
        shown: The columns that the value comes from, if their names differ from the attribute's.
        convert_all: Converts many values at once; see `cells.column_converter`.
        nulls: The words that mean no value if they are the whole value; None for text.
    """

    attribute: str
    parts: tuple[str, ...]
    convert: Callable[[Any], Any] | None
    shown: str = ""
    convert_all: ConvertAll | None = None
    nulls: NullWords | None = None


class RecordBuilder:
    """A record that is being built from one row.

    Attributes:
        line: The line of the row, for warnings.
        findings: Warnings are counted here.
        record: The record so far.
        visitor: The values of the row's identity columns.
        reasons: Why the row has to be rejected.
        notes: What is counted about its values unless the row is skipped, each with its attribute.
    """

    __slots__ = ("findings", "line", "notes", "reasons", "record", "visitor")

    def __init__(self, line: int, findings: Findings) -> None:
        self.line = line
        self.findings = findings
        self.record: Record = {}
        self.visitor: dict[str, Any] = {}
        self.reasons: list[Reason] = []
        self.notes: list[tuple[str, str, str]] = []

    def leaves_out(self, binding: Binding, value: object) -> bool:
        """Return whether a value is a null word, which is counted and not put in."""
        word = None if binding.nulls is None else binding.nulls.found(value)
        if word is not None:
            self.notes.append((binding.attribute, "null", word))
        return word is not None

    def put_all(self, values: Iterable[tuple[Binding, Any]]) -> None:
        """Put in values that are no null words."""
        for binding, value in values:
            if not self.leaves_out(binding, value):
                self.put(binding, value)

    def put(self, binding: Binding, value: Any) -> None:  # noqa: ANN401 -- any JSON value
        """Convert a value and put it in its place, or note the reason why that is impossible."""
        attribute, parts, convert = binding[:3]
        if isinstance(value, dict | list):
            value = without_nulls(value)
        if convert is not None:
            try:
                converted = convert(value)
            except CellError as error:
                self.reasons.append(_cannot(binding, value, str(error)))
                self.notes += [(attribute, *note) for note in error.notes]
                return
            if type(converted) is Noted:
                self.notes += [(attribute, *note) for note in converted.notes]
                converted = converted.value
            value = converted if type(converted) is str else self._read(binding, value, converted)
        if attribute in IDENTITY_COLUMNS:
            self.visitor[attribute] = value
        elif type(value) is str and len(parts) == 1:
            self.record[attribute] = value
        elif value is not ABSENT and not _merge(self.record, parts, value):
            reason = _cannot(binding, ABSENT, "conflicts with a value that is not an object")
            self.reasons.append(reason)

    def _read(self, binding: Binding, value: object, converted: Any) -> Any:  # noqa: ANN401
        """Return the result of a conversion, and note what a timestamp's parser found."""
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
    """Put `value` at `parts`, merging objects; return False if a value is in the way."""
    inner = record
    for part in parts[:-1]:
        inner = inner.setdefault(part, {})
        if not isinstance(inner, dict):
            return False
    name = parts[-1]
    if isinstance(value, dict):
        existing = inner.get(name)
        if isinstance(existing, dict):
            return all(_merge(existing, (key,), each) for key, each in value.items())
    inner[name] = value
    return True


def without_nulls(value: Any) -> Any:  # noqa: ANN401
    """Return a JSON value without the nulls in its objects. Nulls in lists stay.

    The JSON parser bounds the depth of the recursion, because it refuses deeper values.
    """
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value
