"""Judges records: whether Miso will take them, and if not, why, in the words of a person.

A slice of records is judged in one call, by one compiled schema. Only a record that is refused is
looked at again, by the schema of its type alone, because "matches none of 29 types" helps nobody.

Values are shown through `quoting.py`, and not at all where they are addresses.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import jsonschema_rs

from miso_upload.errors import SchemaError
from miso_upload.records import Reason
from miso_upload.transform.schema.json_schema import with_patterns
from miso_upload.transform.schema.schema import FORMAT_PATTERNS, Kind, Schema
from miso_upload.values.display import printable, quoted
from miso_upload.values.json import JSONEncodeError, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from miso_upload.records import Record
    from miso_upload.transform.schema.json_schema import Node

_Path: TypeAlias = tuple[str | int, ...]

IDS = ("user_id", "anonymous_id")
MOST_REASONS = 20
"""How many reasons are given for one record; a list of a million wrong items gives no more."""

_SLICE = "urn:miso-upload:slice"
_RECORD = "urn:miso-upload:record"
_MASK = "<value>"
"""Stands for the value in the library's messages, which would show it otherwise."""
_MOST_COMPARED = 64
_MOST_VALUES = 2_000
_MOST_OF_A_NAME = 100
_CHOICES = ("AnyOf", "OneOfNotValid")
_OTHERS = ("additionalProperties", "unevaluatedProperties")
_OF_LENGTH = ("MaxLength", "MinLength")
"""A text that is too long or too short is not shown; how long it may be is what helps."""
_ADDRESSES = ("_ip", "ip_address")
_NO_TIMESTAMP = Reason("", "no timestamp")
_NO_ID = Reason("", "neither user_id nor anonymous_id")
_WIDE = Reason("the record", "has too many values to be looked through for further problems")
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
_FORMAT_OF = {pattern: name for name, pattern in FORMAT_PATTERNS.items()}


class RecordValidator:
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
        self._slice = _compiled(self._conditions(), schema.judged, schema.source)
        self._of_type: dict[str, jsonschema_rs.Validator] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        # A compiled schema cannot leave its process, and compiling it again is cheap.
        return _unpickled, (self.schema, self._needs_timestamp, self._needs_id)

    def accepts(self, records: Sequence[object]) -> bool:
        """Return whether every one of `records`, a list, can be sent. Never raises."""
        try:
            return self._slice.is_valid(records)
        except Exception:  # noqa: BLE001 -- what the library cannot read, JSON cannot say
            return False

    def invalid_indices(self, records: Sequence[object]) -> list[int]:
        """Return the places of those records that `accepts` does not take, in order.

        They are looked for by halves, so a slice with a few bad records costs little more than a
        good one.
        """
        if self.accepts(records):
            return []
        if len(records) == 1:
            return [0]
        middle = len(records) // 2
        after = self.invalid_indices(records[middle:])
        return self.invalid_indices(records[:middle]) + [middle + place for place in after]

    def has_essentials(self, record: Record) -> bool:
        """Return whether type, timestamp and id are good, whatever the rest of a record is."""
        found = (*self._missing(record), *self._wrong(record)[0])
        return {"type", "timestamp", *IDS}.isdisjoint(attribute for attribute, _ in found)

    def reasons(self, record: object) -> tuple[Reason, ...]:
        """Return all that speaks against `record`, in the order of its type's attributes.

        Empty exactly where `accepts` takes the record. Never raises.
        """
        if self.accepts([record]):
            return ()
        if not isinstance(record, dict):
            return (Reason("the record", "is not an object", _shown((), record)),)
        wrong, others = self._wrong(record)
        found = [*self._missing(record), *wrong]
        order = self._order(record.get("type"))
        found.sort(key=lambda pair: order.get(pair[0], len(order)))
        reasons = tuple(dict.fromkeys(reason for _, reason in found)) or (_REFUSED,)
        if len(reasons) + others <= MOST_REASONS:
            return reasons
        more = Reason("", "further problems", f"and {len(reasons) + others - MOST_REASONS + 1}")
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

    def _order(self, type_name: object) -> dict[str, int]:
        """Return the rank of each attribute, unknown ones being last."""
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

    def _wrong(self, record: Record) -> tuple[list[tuple[str, Reason]], int]:
        """Return what the schema has against a record, each with the attribute it begins with.

        Of one attribute there are no more problems than a person reads; how many others it has is
        returned too.
        """
        if "type" not in record:
            return [("type", Reason("", "no type"))], 0
        name = record["type"]
        if not isinstance(name, str):
            return [("type", Reason("type", "is not text", _shown(("type",), name)))], 0
        if name not in self.schema.types:
            shown = quoted(name) + _suggestion(name[:_MOST_COMPARED], tuple(self.schema.types))
            return [("type", Reason("type", "is not an interaction type of Miso", shown))], 0
        try:
            errors = _errors(self._validator(name), record)
        except Exception:  # noqa: BLE001 -- what the library cannot read, JSON cannot say
            return list(_unsayable(record)), 0
        found: list[tuple[str, Reason]] = []
        counts: Counter[str | int] = Counter()
        for error in errors:
            attribute = error.instance_path[1] if len(error.instance_path) > 1 else ""
            counts[attribute] += 1
            if counts[attribute] <= MOST_REASONS:
                found += self._explained(error, record)
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

    def _explained(
        self, error: jsonschema_rs.ValidationError, record: Record
    ) -> Iterator[tuple[str, Reason]]:
        """Yield what an error of the library means, with the attribute that it is about."""
        path: _Path = tuple(error.instance_path[1:])  # the first step is into the slice
        value = _value_at(record, path)
        kind = _kind(error)
        if unexpected := _unexpected(error, path, value):
            for place in unexpected:
                owner = _dotted(place[:-1]) or record["type"]
                yield _pair(place, Reason(_dotted(place), f"is not an attribute of {owner}"))
        elif kind == "Required":
            place = (*path, error.kind.property)  # type: ignore[attr-defined]
            yield _pair(place, Reason("", f"no {_dotted(place)}"))
        elif closest := _closest_option(error):
            for closer in closest:
                yield from self._explained(closer, record)
        else:
            shown = _shown(path, value) if path and kind not in _OF_LENGTH else ""
            about = _dotted(path) or "the record"
            yield _pair(path, Reason(about, self._problem(error, path, value), shown))

    def _problem(self, error: jsonschema_rs.ValidationError, path: _Path, value: object) -> str:
        """Return what is wrong with one value, without the value."""
        kind = _kind(error)
        if kind in _WORDS:
            return _WORDS[kind](error.kind)
        if kind == "Pattern" and error.kind.pattern in _FORMAT_OF:  # type: ignore[attr-defined]
            return _format_problem(_FORMAT_OF[error.kind.pattern])  # type: ignore[attr-defined]
        if kind in _CHOICES:
            attribute = self.schema.attribute(".".join(map(str, path)))
            if attribute and attribute.kind is Kind.NUMBERS and not isinstance(value, list):
                return "is neither a number nor a list of numbers"
            if len(path) > 1 and isinstance(path[-2], str):
                return f"is not a value that {_dotted(path[-2:-1])} can hold"
            return "has none of the forms that the schema allows"
        message = printable(error.message)
        if message.startswith(f"{_MASK} "):
            return message.removeprefix(f"{_MASK} ")
        return f"is refused: {message.replace(_MASK, 'the value')}"


def _unpickled(schema: Schema, needs_timestamp: bool, needs_id: bool) -> RecordValidator:  # noqa: FBT001 -- pickled
    return RecordValidator(schema, needs_timestamp=needs_timestamp, needs_id=needs_id)


def _compiled(conditions: Node, document: Node, source: str) -> jsonschema_rs.Validator:
    """Return a compiled schema of a list of records, each matching `document` and `conditions`.

    Formats in `document` have their patterns beside them already.

    Raises:
        SchemaError: the library cannot compile it, for a regular expression say.
    """
    # The document stays whole under a name of its own, so that the places it refers to stay true.
    schema = {
        "$id": _SLICE,
        "type": "array",
        "items": {**conditions, "$ref": _RECORD},
        "$defs": {"record": {**document, "$id": _RECORD}},
    }
    try:
        return jsonschema_rs.Draft202012Validator(
            schema, validate_formats=True, mask=_MASK, retriever=_nothing_is_fetched
        )
    except ValueError as error:
        path = getattr(error, "instance_path", [])
        problem = printable(getattr(error, "message", str(error))).replace(_MASK, "this")
        place = "/".join(map(str, ("#", *path)))
        raise SchemaError(f"{source}: {place}: the schema cannot be used: {problem}.") from error


def _errors(
    validator: jsonschema_rs.Validator, record: Record
) -> list[jsonschema_rs.ValidationError]:
    """Return all that a schema has against a record; of a wide one the first thing alone.

    The library makes an object of every wrong value, and a row may have some millions of them.
    """
    if not _is_wide(record):
        return list(validator.iter_errors([record]))
    try:
        validator.validate([record])
    except jsonschema_rs.ValidationError as error:
        return [error]
    return []


def _is_wide(record: Record) -> bool:
    """Return whether a record has more values than are looked through for all its problems."""
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


def _nothing_is_fetched(uri: str) -> Any:  # noqa: ANN401 -- the library's protocol
    raise LookupError(f"{uri} is outside of the file")


def _kind(error: jsonschema_rs.ValidationError) -> str:
    # Some versions of the library put the name of the enclosing class in front.
    return type(error.kind).__name__.rpartition("_")[2]


def _pair(path: _Path, reason: Reason) -> tuple[str, Reason]:
    return (str(path[0]) if path else "", reason)


def _dotted(path: _Path) -> str:
    return printable(".".join(map(str, path)), _MOST_OF_A_NAME)


def _unexpected(error: jsonschema_rs.ValidationError, path: _Path, value: object) -> list[_Path]:
    """Return the attributes that are there and must not be, if the error is about such."""
    if _kind(error) in ("AdditionalProperties", "UnevaluatedProperties"):
        names = error.kind.unexpected  # type: ignore[attr-defined]
    elif _kind(error) != "FalseSchema" or not path:
        return []
    elif isinstance(value, dict) and error.schema_path[-1] in _OTHERS:
        names = list(value)  # of an object that takes nothing, nothing in particular is told
    else:
        return [path]
    return [(*path, name) for name in names]


def _not_a(types: Iterable[str]) -> str:
    names = [text for name, text in _TYPES.items() if name in types]
    if len(names) == 1:
        return f"is not {names[0]}"
    return f"is neither {', '.join(names[:-1])} nor {names[-1]}"


_WORDS: dict[str, Callable[[Any], str]] = {
    "Type": lambda kind: _not_a(kind.types),
    "Format": lambda kind: _format_problem(kind.format),
    "MaxLength": lambda kind: f"is longer than {kind.limit} characters",
    "MinLength": lambda kind: (
        "is empty" if kind.limit == 1 else f"is shorter than {kind.limit} characters"
    ),
}


def _format_problem(name: str) -> str:
    return _FORMATS.get(name, f"is not a valid {name}")


def _closest_option(error: jsonschema_rs.ValidationError) -> list[jsonschema_rs.ValidationError]:
    """Return the errors of the only alternative that is of the right type, if there is just one.

    A list of numbers with a text in it is told by that text, not by its being no number either.
    """
    if _kind(error) not in _CHOICES:
        return []
    options: list[list[jsonschema_rs.ValidationError]] = error.kind.context  # type: ignore[attr-defined]
    here = error.instance_path
    fitting = [option for option in options
               if not any(_kind(e) == "Type" and e.instance_path == here
                          for e in option)]  # fmt: skip
    return fitting[0] if len(fitting) == 1 else []


def _value_at(record: Record, path: _Path) -> object:
    value: Any = record
    for step in path:
        value = value[step]
    return value


def _shown(path: _Path, value: object) -> str:
    """Return a value for a message; nothing where it is or holds somebody's address."""
    name = str(path[-1]).lower() if path else ""
    if name == "ip" or name.endswith(_ADDRESSES):
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = quoted(value)
    # No JSON text begins with a parenthesis, only the note that there is something to hide.
    return "" if text.startswith("(") else text


def _unsayable(record: dict[Any, Any]) -> Iterator[tuple[str, Reason]]:
    """Yield the attributes of a record that JSON has no words for."""
    for name, value in record.items():
        if not isinstance(name, str):
            yield "", _NAMELESS
            continue
        try:
            encode({name: value})
        except JSONEncodeError:
            yield name, Reason(_dotted((name,)), "cannot be written as JSON")


@lru_cache(maxsize=1024)
def _suggestion(name: str, types: tuple[str, ...]) -> str:
    """Return the type that was probably meant, as an addition to a message."""
    import difflib  # noqa: PLC0415 -- most runs meet no wrong name

    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", name)
    near = difflib.get_close_matches(words.strip("_").lower(), types, n=1)
    return f' (did you mean "{near[0]}"?)' if near else ""
