"""The canonical form of many records at once, by one call of an encoder.

The encoder sorts keys and escapes text exactly as the canonical form does. What it may write
otherwise is found beforehand, without exception: numbers, timestamps and UUIDs. Records that have
such values get their canonical form from `canonical`, so the result is the same for every record.

Most attributes of a validated record hold only text. They are listed in `SHIPPED`, so that only the
others have to be looked at.
"""

from __future__ import annotations

import math
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.canonical import EPOCH_ORDINAL, canonical, canonical_value, instant_of
from miso_upload.encoding import encode_sorted_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

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
_FORMS = {len(form): form for form in ("0000-00-00T00:00:00Z", "0000-00-00T00:00:00.000Z")}
_TO_ZERO = str.maketrans("123456789", "000000000")
_DATE = slice(len("2025-03-01"))
_NO_MILLISECONDS = ".000Z"


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


class Times(NamedTuple):
    """What the timestamps of records say.

    Attributes:
        days: For each record, days since 1970-01-01 UTC; None where there is no instant.
        changed: The canonical texts of those that are written otherwise, by index.
    """

    days: list[int | None]
    changed: dict[int, str]


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
    records: Sequence[Record], lines: Sequence[bytes], irregular: set[int], times: Times
) -> Sequence[bytes]:
    """Return the canonical form of each record.

    Args:
        records: The records.
        lines: Their texts with sorted keys.
        irregular: As in `SortedLines`.
        times: What their timestamps say.
    """
    if not irregular and not times.changed:
        return lines
    forms = list(lines)
    for i, text in times.changed.items():
        forms[i] = _with_timestamp(records[i], lines[i], text)
    for i in irregular:
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


def times_of(records: Sequence[Record]) -> Times:
    """Return what the timestamps of records say."""
    texts = [record.get("timestamp") for record in records]
    return _times_in_utc(texts) or _times(texts)


def _times(texts: list[Any]) -> Times:
    """Return what timestamps of any kind say."""
    days: list[int | None] = []
    changed = {}
    for i, text in enumerate(texts):
        instant = instant_of(text)
        days.append(None if instant is None else instant.day)
        if instant is not None and instant.text != text:
            changed[i] = instant.text
    return Times(days, changed)


def _times_in_utc(texts: list[Any]) -> Times | None:
    """Return what timestamps say that are all written as `2025-03-01T00:00:00[.mmm]Z`.

    Returns:
        None if one of them is not, or some have milliseconds and others have none.
    """
    try:
        joined = "".join(texts)
        form = _FORMS.get(len(texts[0]))
        if form is None or not _all_like(form, texts, joined):
            return None
        parsed = list(map(datetime.fromisoformat, texts))
    except (TypeError, ValueError):
        return None
    changed = {}
    if _NO_MILLISECONDS in joined:
        changed = {
            i: text[: -len(_NO_MILLISECONDS)] + "Z"
            for i, text in enumerate(texts)
            if text.endswith(_NO_MILLISECONDS)
        }
    return Times(_days(texts, parsed), changed)


def _all_like(form: str, texts: list[str], joined: str) -> bool:
    """Return whether texts have digits and marks where `form` has them, and no hour 24."""
    # `fromisoformat` takes other forms of the same length, and from Python 3.14 on 24 o'clock.
    return (
        joined.translate(_TO_ZERO) == form * len(texts)
        and set(map(len, texts)) == {len(form)}
        and "T24" not in joined
    )


def _days(texts: list[str], parsed: list[datetime]) -> list[int | None]:
    if min(texts)[_DATE] == max(texts)[_DATE]:
        return [parsed[0].toordinal() - EPOCH_ORDINAL] * len(texts)
    return [each.toordinal() - EPOCH_ORDINAL for each in parsed]


def _with_timestamp(record: Record, line: bytes, text: str) -> bytes:
    """Return the line of a record with another text as its timestamp."""
    before = b'"timestamp":"%b"' % record["timestamp"].encode()
    # An object in it may have a timestamp too.
    if line.count(before) != 1:
        return canonical(record)
    return line.replace(before, b'"timestamp":"%b"' % text.encode())


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
