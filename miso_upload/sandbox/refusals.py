"""Builds the bodies of a 422, in the words and the format that Miso uses.

Each reason is a line `data.<index>[.<path>] [(<value>)] is invalid. <message>`. For a wrong type
or format, the message is the one that Miso documents; the other messages are our own, so programs
should not match on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miso_upload.transform.schema.schema import Kind
from miso_upload.values.json import encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from miso_upload.records import Reason
    from miso_upload.transform.schema.schema import Schema
    from miso_upload.transform.validation import RecordValidator

_SLICE = 256
"""Validating a few hundred records at once is faster than one by one or all at once."""
_LONGEST_VALUE = 200
_ABSENT = object()
_WHOLE = "the record"
"""The `Reason.about` of a record that is invalid as a whole."""
_FORMATS = {
    "is not a date-time": "date-time",
    "is not a UUID": "uuid",
    "is not an IPv4 address": "ipv4",
    "is not an IPv6 address": "ipv6",
}
"""The problem of a `Reason` for a wrong format, with the name of the format."""

_EXPECTED = {
    Kind.TEXT: ("string",),
    Kind.TIMESTAMP: ("string",),
    Kind.TEXTS: ("array",),
    Kind.NUMBER: ("number",),
    Kind.NUMBERS: ("number", "array"),
    Kind.OBJECT: ("object",),
}
_EXPECTED_WITHIN = {Kind.TEXTS: ("string",), Kind.NUMBERS: ("number",)}
_JSON_TYPES = {
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}


class RefusalReporter:
    """Finds the records that Miso would refuse, and returns the reasons in Miso's format."""

    def __init__(self, schema: Schema, validator: RecordValidator) -> None:
        self._schema = schema
        self._validator = validator

    def lines(self, records: Sequence[Any]) -> list[str]:
        """Return one line for each reason to refuse any of `records`; no line if all are valid."""
        return [
            self._line(index, record, reason)
            for index, record in self._suspects(records)
            for reason in self._validator.reasons(record)
        ]

    def _suspects(self, records: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        for start in range(0, len(records), _SLICE):
            part = records[start : start + _SLICE]
            if not self._validator.accepts(part):
                yield from enumerate(part, start)

    def _line(self, index: int, record: object, reason: Reason) -> str:
        path = "" if reason.about == _WHOLE else reason.about
        where = f"data.{index}.{path}" if path else f"data.{index}"
        value = _value_at(record, path)
        return f"{where}{_in_parentheses(value)} is invalid. {self._message(value, reason)}"

    def _message(self, value: object, reason: Reason) -> str:
        expected = self._expected_types(reason.about)
        given = _JSON_TYPES.get(type(value))
        if expected and given and given not in expected and not _is_unknown(reason):
            accepted = ", ".join(f"'{name}'" for name in (*expected, "null"))
            return (
                f"The attribute was expected to be of type '{accepted}'"
                f" but type '{given}' was given."
            )
        if reason.problem in _FORMATS:
            return f"The attribute should match the '{_FORMATS[reason.problem]}' format."
        return f"It {reason.problem}." if reason.about else f"It has {reason.problem}."

    def _expected_types(self, path: str) -> tuple[str, ...]:
        """Return the JSON types that the schema allows at a path; empty if it allows any."""
        outer, _, last = path.rpartition(".")
        if last.isdecimal() and (listed := self._schema.attribute(outer)) is not None:
            return _EXPECTED_WITHIN.get(listed.kind, ())
        attribute = self._schema.attribute(path)
        return _EXPECTED.get(attribute.kind, ()) if attribute else ()


def refused_records(lines: Sequence[str]) -> dict[str, Any]:
    """Return the body of a 422 for records that are invalid."""
    return {
        "errors": True,
        "message": "None of the records were inserted because at least one of them is invalid.",
        "data": lines,
    }


def refused_body(loc: Sequence[str | int], msg: str, kind: str) -> dict[str, Any]:
    """Return the body of a 422 for a request that does not have the structure of an upload."""
    return {
        "errors": True,
        "message": "The request could not be read.",
        "data": {"errors": [{"loc": list(loc), "msg": msg, "type": kind}]},
    }


def _is_unknown(reason: Reason) -> bool:
    """Return whether the attribute does not exist, so that its value does not matter."""
    return reason.problem.startswith("is not an attribute")


def _value_at(record: object, path: str) -> object:
    """Return the value at a dotted path, or `_ABSENT`."""
    found: Any = record
    for step in path.split(".") if path else ():
        if isinstance(found, dict):
            found = found.get(step, _ABSENT)
        elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            return _ABSENT
    return found


def _in_parentheses(value: object) -> str:
    """Return a scalar as Miso shows it: without quotes, so its end is ambiguous."""
    if value is _ABSENT or isinstance(value, list | dict):
        return ""
    shown = value if isinstance(value, str) else encode(value).decode()
    return f" ({shown if len(shown) <= _LONGEST_VALUE else shown[:_LONGEST_VALUE] + '…'})"
