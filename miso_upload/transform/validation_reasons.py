"""Explains validation errors: makes reasons for people of the errors of the schema library.

Values are shown redacted, and not at all if they are addresses.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from miso_upload.records import Reason
from miso_upload.transform.schema.schema import FORMAT_PATTERNS, Kind
from miso_upload.values.display import counted, did_you_mean, printable, quoted
from miso_upload.values.json import JSONEncodeError, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import jsonschema_rs

    from miso_upload.records import Record
    from miso_upload.transform.schema.schema import Schema

Path: TypeAlias = tuple[str | int, ...]

MASK = "<value>"
"""Replaces the value in the messages of the library, which would show it otherwise."""
_MOST_OF_A_NAME = 100
_CHOICES = ("AnyOf", "OneOfNotValid")
_OTHERS = ("additionalProperties", "unevaluatedProperties")
_OF_LENGTH = ("MaxLength", "MinLength")
"""For text of a wrong length, the limit helps more than the text, which is not shown."""
_ADDRESSES = ("_ip", "ip_address")
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


def explain(
    error: jsonschema_rs.ValidationError, record: Record, schema: Schema
) -> Iterator[tuple[str, Reason]]:
    """Yield the reasons of an error of the library, each after the attribute that it is about."""
    path: Path = tuple(error.instance_path[1:])  # the first step is into the slice
    value = _value_at(record, path)
    kind = _kind(error)
    if unexpected := _unexpected(error, path, value):
        for each in unexpected:
            owner = dotted(each[:-1]) or record["type"]
            yield _pair(each, Reason(dotted(each), f"is not an attribute of {owner}"))
    elif kind == "Required":
        missing = (*path, error.kind.property)  # type: ignore[attr-defined]
        yield _pair(missing, Reason("", f"no {dotted(missing)}"))
    elif closest := _closest_option(error):
        for closer in closest:
            yield from explain(closer, record, schema)
    else:
        value_shown = shown(path, value) if path and kind not in _OF_LENGTH else ""
        about = dotted(path) or "the record"
        yield _pair(path, Reason(about, _problem(error, path, value, schema), value_shown))


def _problem(
    error: jsonschema_rs.ValidationError, path: Path, value: object, schema: Schema
) -> str:
    """Return what is wrong with a value, without the value itself."""
    kind = _kind(error)
    if kind in _WORDS:
        return _WORDS[kind](error.kind)
    if kind == "Pattern" and error.kind.pattern in _FORMAT_OF:  # type: ignore[attr-defined]
        return _format_problem(_FORMAT_OF[error.kind.pattern])  # type: ignore[attr-defined]
    if kind in _CHOICES:
        attribute = schema.attribute(".".join(map(str, path)))
        if attribute and attribute.kind is Kind.NUMBERS and not isinstance(value, list):
            return "is neither a number nor a list of numbers"
        if len(path) > 1 and isinstance(path[-2], str):
            return f"is not a value that {dotted(path[-2:-1])} allows"
        return "matches none of the forms that the schema allows"
    message = printable(error.message)
    if message.startswith(f"{MASK} "):
        return message.removeprefix(f"{MASK} ")
    return f"is invalid: {message.replace(MASK, 'the value')}"


def _unexpected(error: jsonschema_rs.ValidationError, path: Path, value: object) -> list[Path]:
    """Return the paths of attributes that must not exist, if the error is about such."""
    if _kind(error) in ("AdditionalProperties", "UnevaluatedProperties"):
        names = error.kind.unexpected  # type: ignore[attr-defined]
    elif _kind(error) != "FalseSchema" or not path:
        return []
    elif isinstance(value, dict) and error.schema_path[-1] in _OTHERS:
        names = list(value)  # the library names none of an object that allows no attributes
    else:
        return [path]
    return [(*path, name) for name in names]


def _closest_option(error: jsonschema_rs.ValidationError) -> list[jsonschema_rs.ValidationError]:
    """Return the errors of the only alternative with the right type, if there is just one.

    For text within a list of numbers, the text is the problem, and not that a list is no number.
    """
    if _kind(error) not in _CHOICES:
        return []
    options: list[list[jsonschema_rs.ValidationError]] = error.kind.context  # type: ignore[attr-defined]
    here = error.instance_path
    fitting = [option for option in options
               if not any(_kind(e) == "Type" and e.instance_path == here
                          for e in option)]  # fmt: skip
    return fitting[0] if len(fitting) == 1 else []


def _not_a(types: Iterable[str]) -> str:
    names = [text for name, text in _TYPES.items() if name in types]
    if len(names) == 1:
        return f"is not {names[0]}"
    return f"is neither {', '.join(names[:-1])} nor {names[-1]}"


_WORDS: dict[str, Callable[[Any], str]] = {
    "Type": lambda kind: _not_a(kind.types),
    "Format": lambda kind: _format_problem(kind.format),
    "MaxLength": lambda kind: f"is longer than {counted(kind.limit, 'character')}",
    "MinLength": lambda kind: (
        "is empty" if kind.limit == 1 else f"is shorter than {counted(kind.limit, 'character')}"
    ),
}


def _format_problem(name: str) -> str:
    return _FORMATS.get(name, f"is not a valid {name}")


def _kind(error: jsonschema_rs.ValidationError) -> str:
    # Some versions of the library put the name of the enclosing class in front.
    return type(error.kind).__name__.rpartition("_")[2]


def _pair(path: Path, reason: Reason) -> tuple[str, Reason]:
    return (str(path[0]) if path else "", reason)


def _value_at(record: Record, path: Path) -> object:
    value: Any = record
    for step in path:
        value = value[step]
    return value


def dotted(path: Path) -> str:
    """Return a path for a message, harmless to a terminal."""
    return printable(".".join(map(str, path)), _MOST_OF_A_NAME)


def shown(path: Path, value: object) -> str:
    """Return a value for a message; empty text if it is an address or holds one."""
    name = str(path[-1]).lower() if path else ""
    if name == "ip" or name.endswith(_ADDRESSES):
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = quoted(value)
    # No JSON text begins with a parenthesis, only the note that a value is hidden.
    return "" if text.startswith("(") else text


@lru_cache(maxsize=1024)
def suggestion(name: str, types: tuple[str, ...]) -> str:
    """Return a hint for a message with the type that was probably meant; else empty text."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", name)
    return did_you_mean(words.strip("_").lower(), types, '"{}"'.format)


def unencodable(record: dict[Any, Any]) -> Iterator[tuple[str, Reason]]:
    """Yield the attributes of a record that cannot be encoded as JSON, each with a reason."""
    for name, value in record.items():
        if not isinstance(name, str):
            yield "", _NAMELESS
            continue
        try:
            encode({name: value})
        except JSONEncodeError:
            yield name, Reason(dotted((name,)), "cannot be written as JSON")
