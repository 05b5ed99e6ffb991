"""The canonical form of many records at once, by one call of an encoder.

The encoder sorts keys and escapes text exactly as the canonical form does. What it may write
otherwise is found beforehand, without exception: numbers, timestamps and UUIDs. Records that have
such values get their canonical form from `canonical`, so the result is the same for every record.

Most attributes of a validated record hold only text. They are listed in `SHIPPED`, so that only the
others have to be looked at.
"""

from __future__ import annotations

import math
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.canonical import canonical, canonical_value
from miso_upload.encoding import encode_sorted_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.canonical_times import Times
    from miso_upload.records import Record


class Shape(NamedTuple):
    """What is known about the values of an object.

    Attributes:
        texts: Names that hold only text or lists of text, never null.
        inner: Objects in it of which something is known.
    """

    texts: frozenset[str] = frozenset()
    inner: dict[str, Shape] = {}  # noqa: RUF012 -- never written to


UNKNOWN = Shape()
"""Nothing is known."""
SHIPPED = Shape(
    frozenset({
        "type", "user_id", "anonymous_id", "timestamp", "product_ids", "product_group_ids",
        "category", "custom_action_name", "question_id", "result_type", "value",
    }),
    {
        "search": Shape(frozenset({"keywords"})),
        "context": Shape(
            frozenset({"truncated_ip", "locale", "region", "user_agent"}),
            {
                "page": Shape(frozenset({"url", "referrer", "title"})),
                "campaign": Shape(frozenset({"name", "source", "medium", "term", "content"})),
            },
        ),
    },
)  # fmt: skip
"""What records have that are valid by the shipped schema."""

_LEAST, _MOST = -(2**63), 2**64 - 1
"""The integers that `encode` can write."""
_DEEPEST = 100
"""Values nested deeper than this are not looked at; `encode` decides whether it can write them."""
_SMALLEST = 1e-5
"""The encoder writes smaller numbers otherwise than the canonical form does."""
_BEFORE_TIMESTAMP = b'"timestamp":"'


class SortedLines(NamedTuple):
    """Records as JSON texts with sorted keys, which can be sent as they are.

    Attributes:
        lines: The text of each record.
        irregular: The indices of the records whose text may not be their canonical form. A
            timestamp that is not canonical does not count.
        names: The names in objects, but for those of texts that the shape has.
        has_null: Whether there is a null. One in the place of a text that the shape has is not
            found; a valid record has none there.
    """

    lines: list[bytes]
    irregular: set[int]
    names: set[str]
    has_null: bool

    def joined(self) -> bytes:
        """Return the records separated by commas."""
        return b",".join(self.lines)


def sorted_lines(records: Sequence[Record], shape: Shape) -> SortedLines | None:
    """Return records encoded with sorted keys.

    Args:
        records: At least one record.
        shape: What is known about all of them.

    Returns:
        None if the encoder of everything else may write one of them otherwise, or not at all.
    """
    look = _Look()
    try:
        look.at_objects(records, range(len(records)), shape)
    except (_DoubtfulError, TypeError, AttributeError):
        # Where something is no object, the records are not what they were said to be.
        return None
    text = encode_sorted_lines(records)
    if text is None:
        return None
    return SortedLines(_split(text), look.irregular, look.names, look.has_null)


def _split(text: bytes) -> list[bytes]:
    return text[:-1].split(b"\n") if text else []


def canonical_lines(
    records: Sequence[Record], encoded: SortedLines, times: Times
) -> Sequence[bytes]:
    """Return the canonical form of each record.

    Args:
        records: The records.
        encoded: The same as JSON texts.
        times: What their timestamps say.
    """
    if not encoded.irregular and not times.changed:
        return encoded.lines
    forms = list(encoded.lines)
    once = not any(name.endswith("timestamp") for name in encoded.names)
    for i, text in times.changed.items():
        forms[i] = _with_timestamp(records[i], forms[i], text, once=once)
    for i in encoded.irregular:
        forms[i] = canonical(records[i])
    return forms


def canonical_values(values: Sequence[Any]) -> Sequence[bytes]:
    """Return the canonical form of each JSON value."""
    encoded, look = None, _Look()
    try:
        irregular = {i for i, value in enumerate(values) if not look.is_regular(value)}
        encoded = encode_sorted_lines(values)
    except _DoubtfulError:
        pass
    if encoded is None:
        return list(map(canonical_value, values))
    forms = _split(encoded)
    for i in irregular:
        forms[i] = canonical_value(values[i])
    return forms


def _with_timestamp(record: Record, line: bytes, text: str, *, once: bool) -> bytes:
    """Return the line of a record with another text as its timestamp.

    Args:
        record: The record.
        line: Its text.
        text: The new timestamp.
        once: Whether no other object in the record has a timestamp.
    """
    if not once and line.count(_BEFORE_TIMESTAMP) != 1:
        return canonical(record)
    at = line.rindex(_BEFORE_TIMESTAMP) + len(_BEFORE_TIMESTAMP)
    return b"%b%b%b" % (line[:at], text.encode(), line[at + len(record["timestamp"]) :])


class _Look:
    """Finds, in values that are looked at, what the encoder may write otherwise."""

    def __init__(self) -> None:
        self.irregular: set[int] = set()
        self.names: set[str] = set()
        self.has_null = False

    def at_objects(
        self, objects: Sequence[dict[str, Any]], indices: Sequence[int], shape: Shape
    ) -> None:
        """Look at objects of one shape, each of which is a part of the record at its index.

        Raises:
            _DoubtfulError: It cannot be said how an encoder writes one of them.
        """
        names = set().union(*objects) - shape.texts
        self.names |= names
        for name in names:
            inner = shape.inner.get(name)
            if inner is not None:
                owners, values = _having(name, objects, indices)
                self.at_objects(values, owners, inner)
                continue
            for i, each in zip(indices, objects, strict=True):
                if name in each and not self.is_regular(each[name]):
                    self.irregular.add(i)
            if name == "miso_id":
                self._at_ids(objects, indices)

    def _at_ids(self, objects: Sequence[dict[str, Any]], indices: Sequence[int]) -> None:
        for i, each in zip(indices, objects, strict=True):
            miso_id = each.get("miso_id")
            if isinstance(miso_id, str) and miso_id != miso_id.lower():
                self.irregular.add(i)

    def is_regular(self, value: Any, depth: int = 0) -> bool:  # noqa: ANN401 -- any JSON value
        """Return whether the encoder writes a value in its canonical form.

        Raises:
            _DoubtfulError: It is no JSON value, or one that not every encoder can write.
        """
        kind = type(value)
        if kind is str or kind is bool:
            return True
        if kind is int and _LEAST <= value <= _MOST:
            return True
        if kind is float and math.isfinite(value):
            return not value.is_integer() and abs(value) >= _SMALLEST
        if value is None:
            self.has_null = True
            return True
        if depth > _DEEPEST or kind not in (list, dict):
            raise _DoubtfulError
        if kind is dict:
            self.names.update(value)
            value = value.values()
        # All of them have to be looked at, whatever the first is.
        return False not in [self.is_regular(each, depth + 1) for each in value]


class _DoubtfulError(Exception):
    """It cannot be said how an encoder writes a value."""


def _having(
    name: str, objects: Sequence[dict[str, Any]], indices: Sequence[int]
) -> tuple[Sequence[int], list[Any]]:
    """Return the indices of the objects that have a name, and its values."""
    try:
        return indices, list(map(itemgetter(name), objects))
    except KeyError:
        pairs = zip(indices, objects, strict=True)
        owners = [i for i, each in pairs if name in each]
        return owners, [each[name] for each in objects if name in each]
