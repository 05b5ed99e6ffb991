"""Numbers the records of rows that become several: the line, the table and the element in one.

A record is known by one integer wherever the pipeline and the ledger speak of the *line* of a
record. If a row becomes one record, the integer is its line. If a row becomes several, it is an
*element number*, which is larger than any line and contains

- the line of the row,
- the table of `[[records]]` that made the record, counted from 0,
- the element of the row's list, counted from 1; 0 if the table has no list.

So element numbers are in the order of the rows, and the same row has the same element numbers
whenever it is read again under the same options.
"""

from __future__ import annotations

from typing import NamedTuple

_ELEMENT_BITS, _TABLE_BITS = 22, 6
_LINE_SHIFT = _ELEMENT_BITS + _TABLE_BITS
_IS_ELEMENT = 1 << 62

MAX_ELEMENTS = 2**_ELEMENT_BITS - 1
"""A row has at most this many elements; a row with more is rejected."""
MAX_TABLES = 2**_TABLE_BITS
"""A mapping file has at most this many tables of `[[records]]`."""


class Element(NamedTuple):
    """One element of a row.

    Attributes:
        line: The line of the row.
        table: The table of `[[records]]`, counted from 0.
        number: The element, counted from 1; 0 for the row as a whole.
    """

    line: int
    table: int = 0
    number: int = 0

    @property
    def text(self) -> str:
        """Return the position for messages: `12`, `12, element 3` or `12, records 2, element 3`."""
        label = self.label
        return f"{self.line}, {label}" if label else str(self.line)

    @property
    def label(self) -> str:
        """Return the part of `text` after the line."""
        table = f"records {self.table + 1}" if self.table else ""
        number = f"element {self.number}" if self.number else ""
        return ", ".join(filter(None, (table, number)))


def numbered(line: int, table: int, number: int) -> int:
    """Return the number of an element; the line itself if the row is the only element."""
    if not (table or number):
        return line
    return _IS_ELEMENT | line << _LINE_SHIFT | table << _ELEMENT_BITS | number


def element_of(line: int) -> Element:
    """Return the element with a number; a line is the only element of its row."""
    if line < _IS_ELEMENT:
        return Element(line)
    line ^= _IS_ELEMENT
    table = line >> _ELEMENT_BITS & (MAX_TABLES - 1)
    return Element(line >> _LINE_SHIFT, table, line & MAX_ELEMENTS)


def line_of(line: int) -> int:
    """Return the line of the row with an element number; a line is its own."""
    return line if line < _IS_ELEMENT else (line ^ _IS_ELEMENT) >> _LINE_SHIFT


def is_element(line: int) -> bool:
    """Return whether a number stands for one of several elements of a row."""
    return line >= _IS_ELEMENT
