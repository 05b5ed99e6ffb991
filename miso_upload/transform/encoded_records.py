"""Holds the JSON texts of a slice's records, and tells what may be in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.records import Reason
from miso_upload.values.json import JSONEncodeError, encode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from miso_upload.records import Record
    from miso_upload.transform.content_keys.canonical_lines import SortedLines

_NULL, _IP = re.compile(rb":null"), re.compile(rb'"ip":')
"""A null and an address in compact JSON. Text may look the same, which only costs time."""


class Encoded(NamedTuple):
    """The JSON texts of records, joined by commas.

    Attributes:
        text: The texts as they are sent.
        in_order: The same texts one by one, if the records are encoded with sorted keys.
    """

    text: bytes
    in_order: SortedLines | None = None

    def may_have_null(self) -> bool:
        """Return whether a record may hold a null."""
        if self.in_order is not None:
            return self.in_order.has_null
        return _NULL.search(self.text) is not None

    def may_have_ip(self) -> bool:
        """Return whether a record may hold a visitor's address."""
        if self.in_order is not None:
            return "ip" in self.in_order.names
        return _IP.search(self.text) is not None

    def attributes(self) -> set[str] | None:
        """Return the names of all attributes that one of the records has, if they are known."""
        return None if self.in_order is None else self.in_order.attributes

    def lengths(self, records: list[Record]) -> Iterable[int]:
        """Return the length of each record's text."""
        if self.in_order is not None:
            return list(map(len, self.in_order.lines))
        return [len(encode(record)) for record in records]


def not_encodable(record: Record) -> tuple[Reason, ...]:
    """Return why a record cannot be encoded: it is too deep, or holds a huge integer."""
    try:
        encode(record)
    except JSONEncodeError as error:
        return (Reason("the record", "cannot be written as JSON", f"({error})"),)
    return ()
