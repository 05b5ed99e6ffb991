"""Returns the canonical forms of many records at once, by one call of an encoder.

The encoder sorts keys and escapes text exactly as the canonical form does. It may differ for
numbers, timestamps and UUIDs. All values for which it may differ are found first, and their records
get their canonical form from `canonical`. So the result is the same for every record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.transform.content_keys.canonical import canonical, canonical_id, canonical_value
from miso_upload.transform.content_keys.regular_values import (
    DoubtfulError,
    Examiner,
    Shape,
    regular,
)
from miso_upload.values.json import encode_sorted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.records import Record
    from miso_upload.transform.content_keys.canonical_times import Times


class SortedLines(NamedTuple):
    """Records as JSON texts with sorted keys, which can be sent as they are.

    Attributes:
        lines: The text of each record.
        irregular: The indices of the records whose text may not be their canonical form, not
            counting the timestamp.
        names: The names in objects, except those in the texts of the shape.
        has_null: Whether there is a null. A null instead of a text of the shape is not found, but
            valid records have none there.
        attributes: The names of all attributes that one of the records has.
    """

    lines: list[bytes]
    irregular: set[int]
    names: set[str]
    has_null: bool
    attributes: set[str]

    def joined(self) -> bytes:
        """Return the records separated by commas."""
        return b",".join(self.lines)


def sorted_lines(records: Sequence[Record], shape: Shape) -> SortedLines | None:
    """Return records encoded with sorted keys.

    Args:
        records: At least one record.
        shape: What is known about all of them.

    Returns:
        None if the general JSON encoder may write one of them differently, or not at all.
    """
    examiner = Examiner()
    try:
        examiner.examine_records(records, shape)
    except (DoubtfulError, TypeError, AttributeError):
        # The records do not have the shape.
        return None
    lines = encode_sorted(records)
    return (
        None
        if lines is None
        else SortedLines(
            lines, examiner.irregular, examiner.names, examiner.has_null, examiner.attributes
        )
    )


def canonical_lines(
    records: Sequence[Record], encoded: SortedLines, times: Times
) -> Sequence[bytes]:
    """Return the canonical form of each record.

    Args:
        records: The records.
        encoded: The same as JSON texts.
        times: Their instants.
    """
    if not encoded.irregular and not times.changed:
        return encoded.lines
    forms = list(encoded.lines)
    changed = [{**records[i], "timestamp": text} for i, text in times.changed.items()]
    again = encode_sorted(changed)
    if again is None:
        return list(map(canonical, records))
    for i, form in zip(times.changed, again, strict=True):
        forms[i] = form
    for i in encoded.irregular:
        forms[i] = _form_of_irregular(records[i], times.changed.get(i))
    return forms


def _form_of_irregular(record: Record, timestamp: str | None) -> bytes:
    """Return the canonical form of a record that the encoder may write differently.

    Most of these records have floats with whole values, which only need to become integers.
    """
    try:
        changed = {name: regular(value) for name, value in record.items()}
    except DoubtfulError:
        return canonical(record)
    if timestamp is not None:
        changed["timestamp"] = timestamp
    if "miso_id" in changed:
        changed["miso_id"] = canonical_id(changed["miso_id"])
    encoded = encode_sorted([changed])
    return canonical(record) if encoded is None else encoded[0]


def canonical_values(values: Sequence[Any]) -> Sequence[bytes]:
    """Return the canonical form of each JSON value."""
    forms, examiner = None, Examiner()
    try:
        irregular = {i for i, value in enumerate(values) if not examiner.is_regular(value)}
        forms = encode_sorted(values)
    except DoubtfulError:
        pass
    if forms is None:
        return list(map(canonical_value, values))
    for i in irregular:
        forms[i] = canonical_value(values[i])
    return forms
