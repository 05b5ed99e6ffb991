"""Validates records: whether Miso will accept them, and if not, why.

A slice of records is validated in one call, against one compiled schema. Only an invalid record is
validated again, against the schema of its type alone, because "matches none of 29 types" helps
nobody.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from miso_upload.errors import SchemaError
from miso_upload.records import Reason
from miso_upload.transform.schema.json_schema import with_patterns
from miso_upload.transform.schema.schema import FORMAT_PATTERNS, Schema
from miso_upload.transform.validation_reasons import MASK, explain, shown, suggestion, unencodable
from miso_upload.values.display import printable, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from miso_upload.records import Record
    from miso_upload.transform.schema.json_schema import Node


IDS = ("user_id", "anonymous_id")
MOST_REASONS = 20
"""The most reasons for one record, even if it has a list of a million wrong items."""

_SLICE = "urn:miso-upload:slice"
_RECORD = "urn:miso-upload:record"
_MOST_COMPARED = 64
_MOST_VALUES = 2_000
_NO_TIMESTAMP = Reason("", "no timestamp")
_NO_ID = Reason("", "neither user_id nor anonymous_id")
_WIDE = Reason("the record", "is too large to report further problems")
_REFUSED = Reason("the record", "does not match the schema")


class RecordValidator:
    """Validates records against a schema and two conditions.

    Args:
        schema: The schema.
        needs_timestamp: Reject records without a timestamp. Miso would set it to the current time.
        needs_id: Reject records without an id or with an empty one. Miso would merge them with
            those of strangers.
    """

    def __init__(
        self, schema: Schema, *, needs_timestamp: bool = True, needs_id: bool = True
    ) -> None:
        self.schema = schema
        self._needs_timestamp = needs_timestamp
        self._needs_id = needs_id
        self._slice = _compiled(self._conditions(), schema.validation_document, schema.source)
        self._of_type: dict[str, jsonschema_rs.Validator] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        # A compiled schema cannot be pickled, and compiling it again is cheap.
        return _unpickled, (self.schema, self._needs_timestamp, self._needs_id)

    def accepts(self, records: Sequence[object]) -> bool:
        """Return whether all of `records`, a list, are valid. Never raises."""
        try:
            return self._slice.is_valid(records)
        except Exception:  # noqa: BLE001 -- what the library cannot read is not JSON
            return False

    def invalid_indices(self, records: Sequence[object]) -> list[int]:
        """Return the indices of the records that are invalid, in order.

        The search halves the records, so a slice with a few invalid ones costs little more than a
        valid one.
        """
        if self.accepts(records):
            return []
        if len(records) == 1:
            return [0]
        middle = len(records) // 2
        after = self.invalid_indices(records[middle:])
        return self.invalid_indices(records[:middle]) + [middle + index for index in after]

    def has_essentials(self, record: Record) -> bool:
        """Return whether type, timestamp and id are valid, ignoring the rest of a record."""
        found = (*self._missing(record), *self._schema_errors(record)[0])
        return {"type", "timestamp", *IDS}.isdisjoint(attribute for attribute, _ in found)

    def reasons(self, record: object) -> tuple[Reason, ...]:
        """Return the reasons why `record` is invalid, in the order of its type's attributes.

        There are none exactly if `accepts` returns true for the record. Never raises.
        """
        if self.accepts([record]):
            return ()
        if not isinstance(record, dict):
            return (Reason("the record", "is not an object", shown((), record)),)
        wrong, others = self._schema_errors(record)
        found = [*self._missing(record), *wrong]
        order = self._order(record.get("type"))
        found.sort(key=lambda pair: order.get(pair[0], len(order)))
        reasons = tuple(dict.fromkeys(reason for _, reason in found)) or (_REFUSED,)
        if len(reasons) + others <= MOST_REASONS:
            return reasons
        more = Reason("", "further problems", f"and {len(reasons) + others - MOST_REASONS + 1}")
        return (*reasons[: MOST_REASONS - 1], more)

    def _conditions(self) -> Node:
        """Return the schema of the conditions."""
        conditions: Node = {"type": "object", "required": ["type"]}
        if self._needs_timestamp:
            conditions["required"].append("timestamp")
        if self._needs_id:
            conditions["anyOf"] = [{"required": [name]} for name in IDS]
            conditions["properties"] = {name: {"minLength": 1} for name in IDS}
        return conditions

    def _order(self, type_name: object) -> dict[str, int]:
        """Return the rank of each attribute for sorting reasons."""
        known = self.schema.types.get(type_name) if isinstance(type_name, str) else None
        names = known.attributes if known else self.schema.attributes
        return {name: rank for rank, name in enumerate(names)}

    def _missing(self, record: Record) -> Iterator[tuple[str, Reason]]:
        if self._needs_timestamp and "timestamp" not in record:
            yield "timestamp", _NO_TIMESTAMP
        if self._needs_id:
            if not any(name in record for name in IDS):
                yield IDS[0], _NO_ID
            for name in IDS:
                if record.get(name) == "":
                    yield name, Reason(name, "is empty")

    def _schema_errors(self, record: Record) -> tuple[list[tuple[str, Reason]], int]:
        """Return reasons from the schema, each after its attribute, and a count of further ones.

        Each attribute has at most `MOST_REASONS`. The count is of the reasons beyond them.
        """
        if "type" not in record:
            return [("type", Reason("", "no type"))], 0
        name = record["type"]
        if not isinstance(name, str):
            return [("type", Reason("type", "is not text", shown(("type",), name)))], 0
        if name not in self.schema.types:
            hint = suggestion(name[:_MOST_COMPARED], tuple(self.schema.types))
            reason = Reason("type", "is not an interaction type of Miso", quoted(name) + hint)
            return [("type", reason)], 0
        try:
            errors = _errors(self._validator(name), record)
        except Exception:  # noqa: BLE001 -- what the library cannot read is not JSON
            return list(unencodable(record)), 0
        found: list[tuple[str, Reason]] = []
        counts: Counter[str | int] = Counter()
        for error in errors:
            attribute = error.instance_path[1] if len(error.instance_path) > 1 else ""
            counts[attribute] += 1
            if counts[attribute] <= MOST_REASONS:
                found += explain(error, record, self.schema)
        if len(errors) == 1 and _is_wide(record):
            found.append(("", _WIDE))
        return found, sum(max(count - MOST_REASONS, 0) for count in counts.values())

    def _validator(self, name: str) -> jsonschema_rs.Validator:
        if name not in self._of_type:
            schema = self.schema.type_schema(name)
            self._of_type[name] = _compiled(
                {}, with_patterns(schema, FORMAT_PATTERNS), self.schema.source
            )
        return self._of_type[name]


def _unpickled(schema: Schema, needs_timestamp: bool, needs_id: bool) -> RecordValidator:  # noqa: FBT001 -- pickled
    return RecordValidator(schema, needs_timestamp=needs_timestamp, needs_id=needs_id)


def _compiled(conditions: Node, document: Node, source: str) -> jsonschema_rs.Validator:
    """Return a compiled schema of a list of records, each matching `document` and `conditions`.

    The formats in `document` must have their patterns beside them.

    Raises:
        SchemaError: The library cannot compile it, for example because of a regular expression.
    """
    # The document stays whole under its own name, so that its references stay valid.
    schema = {
        "$id": _SLICE,
        "type": "array",
        "items": {**conditions, "$ref": _RECORD},
        "$defs": {"record": {**document, "$id": _RECORD}},
    }
    try:
        return jsonschema_rs.Draft202012Validator(
            schema, validate_formats=True, mask=MASK, retriever=_retrieve_nothing
        )
    except ValueError as error:
        path = getattr(error, "instance_path", [])
        problem = printable(getattr(error, "message", str(error))).replace(MASK, "this")
        pointer = "/".join(map(str, ("#", *path)))
        raise SchemaError(f"{source}: {pointer}: the schema cannot be used: {problem}.") from error


def _errors(
    validator: jsonschema_rs.Validator, record: Record
) -> list[jsonschema_rs.ValidationError]:
    """Return the errors of a record; for a wide record only the first one.

    The library makes an object for every wrong value, and a row may have millions of them.
    """
    if not _is_wide(record):
        return list(validator.iter_errors([record]))
    try:
        validator.validate([record])
    except jsonschema_rs.ValidationError as error:
        return [error]
    return []


def _is_wide(record: Record) -> bool:
    """Return whether a record has too many values to report all of its errors."""
    left = _MOST_VALUES
    nested: list[Any] = [record]
    while nested:
        value = nested.pop()
        inner = list(value.values()) if isinstance(value, dict) else value
        left -= len(inner)
        if left < 0:
            return True
        nested += (each for each in inner if isinstance(each, dict | list))
    return False


def _retrieve_nothing(uri: str) -> Any:  # noqa: ANN401 -- the library's protocol
    raise LookupError(f"{uri} is outside of the file")
