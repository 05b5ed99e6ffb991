"""Judges records: whether Miso will take them, and if not, why, in the words of a person.

A slice of records is judged in one call, by one compiled schema. Only a record that is refused is
looked at again, by the schema of its type alone, because "matches none of 29 types" helps nobody.

Values are shown through `quoting.py`, and not at all where they are addresses.
"""

from __future__ import annotations

import difflib
import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from miso_upload.encoding import JSONEncodeError, encode
from miso_upload.errors import SchemaError
from miso_upload.quoting import printable, quoted
from miso_upload.records import Reason
from miso_upload.schema import Kind, Schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from miso_upload.json_schema import Node
    from miso_upload.records import Record

IDS = ("user_id", "anonymous_id")
MOST_REASONS = 20
"""How many reasons are given for one record; a list of a million wrong items gives no more."""

_SLICE = "urn:miso-upload:slice"
_RECORD = "urn:miso-upload:record"
_MASK = "<value>"
"""Stands for the value in the library's messages, which would show it otherwise."""
_MOST_COMPARED = 64
_NO_TIMESTAMP = Reason("", "no timestamp")
_NO_ID = Reason("", "neither user_id nor anonymous_id")
_REFUSED = Reason("the record", "does not match the schema")
_NAMELESS = Reason("the record", "has an attribute whose name is not text")

_TYPES = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_FORMATS = {
    "date-time": "is not a date-time",
    "uuid": "is not a UUID",
    "ipv4": "is not an IPv4 address",
    "ipv6": "is not an IPv6 address",
}


class Judge:
    """Says of records whether Miso will take them.

    Args:
        schema: What a record has to match.
        needs_timestamp: Refuse a record without a timestamp, which Miso would stamp with its now.
        needs_id: Refuse a record that names nobody, which Miso would merge with strangers', and one
            in which an id is empty.
    """

    def __init__(
        self, schema: Schema, *, needs_timestamp: bool = True, needs_id: bool = True
    ) -> None:
        self.schema = schema
        self._needs_timestamp = needs_timestamp
        self._needs_id = needs_id
        self._slice = _compiled(self._conditions(), schema.document, schema.source)
        self._of_type: dict[str, jsonschema_rs.Validator] = {}
        self._order = {name: rank for rank, name in enumerate(schema.attributes)}

    def __reduce__(self) -> tuple[Any, ...]:
        # Compiled schemas stay in their process; compiling takes two milliseconds.
        return _judge, (self.schema, self._needs_timestamp, self._needs_id)

    def accepts(self, records: Sequence[object]) -> bool:
        """Return whether every one of `records`, a list, can be sent. Never raises."""
        try:
            return self._slice.is_valid(records)
        except Exception:  # noqa: BLE001 -- what the library cannot read, JSON cannot say
            return False

    def reasons(self, record: object) -> tuple[Reason, ...]:
        """Return all that speaks against `record`, in the order of its type's attributes.

        Empty exactly where `accepts` takes the record. Never raises.
        """
        if self.accepts([record]):
            return ()
        if not isinstance(record, dict):
            return (Reason("the record", "is not an object", _shown((), record)),)
        found = [*self._missing(record), *self._wrong(record)]
        found.sort(key=lambda pair: self._order.get(pair[0], len(self._order)))
        reasons = tuple(dict.fromkeys(reason for _, reason in found)) or (_REFUSED,)
        if len(reasons) <= MOST_REASONS:
            return reasons
        more = Reason("", "further problems", f"and {len(reasons) - MOST_REASONS + 1}")
        return (*reasons[: MOST_REASONS - 1], more)

    def _conditions(self) -> Node:
        """Return what a record has to fulfil beside the schema."""
        conditions: Node = {"type": "object", "required": ["type"]}
        if self._needs_timestamp:
            conditions["required"].append("timestamp")
        if self._needs_id:
            conditions["anyOf"] = [{"required": [name]} for name in IDS]
            conditions["properties"] = {name: {"minLength": 1} for name in IDS}
        return conditions

    def _missing(self, record: Record) -> Iterator[tuple[str, Reason]]:
        if self._needs_timestamp and "timestamp" not in record:
            yield "timestamp", _NO_TIMESTAMP
        if self._needs_id:
            if not any(name in record for name in IDS):
                yield IDS[0], _NO_ID
            for name in IDS:
                if record.get(name) == "":
                    yield name, Reason(name, "is empty")

    def _wrong(self, record: Record) -> Iterator[tuple[str, Reason]]:
        """Yield what the schema has against a record, each with the attribute it begins with."""
        if "type" not in record:
            yield "type", Reason("", "no type")
            return
        name = record["type"]
        if not isinstance(name, str):
            yield "type", Reason("type", "is not text", _shown(("type",), name))
        elif name not in self.schema.types:
            shown = quoted(name) + _suggestion(name, tuple(self.schema.types))
            yield "type", Reason("type", "is not an interaction type of Miso", shown)
        else:
            try:
                errors = list(self._validator(name).iter_errors([record]))
            except Exception:  # noqa: BLE001 -- what the library cannot read, JSON cannot say
                yield from _unsayable(record)
            else:
                for error in errors:
                    yield from self._explained(error, record)

    def _validator(self, name: str) -> jsonschema_rs.Validator:
        if name not in self._of_type:
            schema = self.schema.type_schema(name)
            self._of_type[name] = _compiled({}, schema, self.schema.source)
        return self._of_type[name]

    def _explained(
        self, error: jsonschema_rs.ValidationError, record: Record
    ) -> Iterator[tuple[str, Reason]]:
        path = tuple(error.instance_path[1:])
        for about, reason in self._worded(error, path, record):
            yield str(about[0]) if about else "", reason

    def _worded(
        self, error: jsonschema_rs.ValidationError, path: _Path, record: Record
    ) -> Iterator[tuple[_Path, Reason]]:
        kind = _kind(error)
        if kind in ("AdditionalProperties", "UnevaluatedProperties"):
            for name in error.kind.unexpected:
                yield (*path, name), self._unexpected((*path, name), record)
        elif kind == "FalseSchema" and path:
            yield path, self._unexpected(path, record)
        elif kind == "Required":
            missing = (*path, error.kind.property)
            yield missing, Reason("", f"no {_dotted(missing)}")
        elif kind == "AnyOf" and (nearest := _nearest_option(error)):
            for closer in nearest:
                yield from self._worded(closer, tuple(closer.instance_path[1:]), record)
        else:
            problem, shown = self._problem(error, path), ""
            if kind != "MaxLength":
                shown = _shown(path, _value_at(record, path))
            yield path, Reason(_dotted(path) or "the record", problem, shown)
