"""Writes SQL expressions that convert the values of a query's result to JSON without any loss.

The JSON is that of Parquet values (see `sources/tables/parquet`):

- text, integers, booleans, lists, structs, maps and nulls: the same in JSON;
- a float: the shortest decimal that reads as the same float; NaN and infinities: null;
- a decimal or a large integer: a number if that loses no digit, otherwise text;
- a timestamp with a zone: RFC 3339 in UTC; a timestamp without one: ISO 8601 without a zone;
- binary: text if it is UTF-8, otherwise `{"hex": ...}`.

`None` instead of an expression means that DuckDB's own conversion is right for the type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_EXACT_DIGITS = 15
"""Every decimal with at most this many digits is exact as a JSON number."""
_WIDE_INTEGERS = frozenset({"hugeint", "uhugeint", "bignum"})
_LOCAL_TIMES = frozenset({"timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"})
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


class ValueType(Protocol):
    """The type of a column, as DuckDB's Python package describes it."""

    id: str
    """The kind of the type, such as `list`."""
    children: Sequence[Any]
    """The types inside it, and other properties, by their names."""


def json_row(names: Sequence[str], types: Sequence[ValueType], columns: Sequence[str]) -> str:
    """Return an expression of the JSON text of a row.

    Args:
        names: The names of the columns.
        types: Their types.
        columns: An expression for each column.
    """
    pairs = [
        f"{literal(name)}, {json_value(column, kind) or column}"
        for name, kind, column in zip(names, types, columns, strict=True)
    ]
    return f"CAST(json_object({', '.join(pairs)}) AS VARCHAR)"


def json_value(value: str, kind: ValueType, depth: int = 0) -> str | None:
    """Return an expression of the JSON of `value`, or None if DuckDB converts it as we want."""
    match kind.id:
        case "float" | "double":
            number = f"CAST(CAST({value} AS VARCHAR) AS JSON)" if kind.id == "float" else value
            return f"CASE WHEN isfinite({value}) THEN {number} END"
        case "decimal":
            return _decimal(value, dict(kind.children)["scale"])
        case name if name in _WIDE_INTEGERS:
            text = f"CAST({value} AS VARCHAR)"
            return (
                f"CASE WHEN {value} BETWEEN {_SMALLEST} AND {_LARGEST} "
                f"THEN CAST({text} AS JSON) ELSE to_json({text}) END"
            )
        case name if name in _LOCAL_TIMES:
            return f"replace(CAST({value} AS VARCHAR), ' ', 'T')"
        case "timestamp with time zone" | "timestamptz_ns":
            text = f"CAST({value} AS VARCHAR)"
            return f"replace(regexp_replace({text}, '[+]00$', 'Z'), ' ', 'T')"
        case "blob":
            text = f"TRY(decode({value}))"
            in_hex = f"json_object('hex', lower(hex({value})))"
            return (
                f"CASE WHEN {value} IS NULL THEN NULL "
                f"WHEN {text} IS NULL THEN {in_hex} ELSE to_json({text}) END"
            )
        case "list" | "array" | "map" | "struct":
            return _nested(value, kind, depth)
    return None


def _nested(value: str, kind: ValueType, depth: int) -> str | None:
    inner = dict(kind.children)
    each = f"x{depth}"
    if kind.id == "struct":
        fields = {name: f"struct_extract({value}, {literal(name)})" for name in inner}
        converted = {name: json_value(fields[name], inner[name], depth) for name in inner}
        if not any(converted.values()):
            return None
        pairs = ", ".join(f"{literal(name)}, {converted[name] or fields[name]}" for name in inner)
        return f"CASE WHEN {value} IS NULL THEN NULL ELSE json_object({pairs}) END"
    if kind.id == "map":
        converted_value = json_value(f"{each}.value", inner["value"], depth + 1)
        if converted_value is None:
            return None
        pair = f"struct_pack(k := {each}.key, v := to_json({converted_value}))"
        entries = f"list_transform(map_entries({value}), lambda {each}: {pair})"
        return f"to_json(map_from_entries({entries}))"
    item = json_value(each, inner["child"], depth + 1)
    return item and f"to_json(list_transform({value}, lambda {each}: to_json({item})))"


def _decimal(value: str, scale: int) -> str:
    """Return a number if a float holds it exactly, otherwise text.

    A decimal with a scale keeps its point, as in 15.0, so that no mapping takes it for an id.
    """
    text = f"CAST({value} AS VARCHAR)"
    fits = f"length(ltrim(replace({text}, '.', ''), '-0')) <= {_EXACT_DIGITS}"
    if scale:
        text = f"regexp_replace({text}, '([.][0-9]+?)0+$', '\\1')"
    else:
        fits = f"{value} BETWEEN {_SMALLEST} AND {_LARGEST}"
    return f"CASE WHEN {fits} THEN CAST({text} AS JSON) ELSE to_json({text}) END"


def exact_type(kind: ValueType, *, doubles: bool) -> str:
    """Return the type to read a JSON value as, so that it keeps its text or all its digits.

    DuckDB would turn text that looks like a date, a time or a UUID into one, and integers that are
    too large into floats.

    Args:
        kind: The type that DuckDB detected.
        doubles: Whether floats may be read as floats, because no integer is among them.
    """
    name = kind.id
    if name in ("list", "array"):
        return f"{exact_type(dict(kind.children)['child'], doubles=doubles)}[]"
    if name == "struct":
        fields = (
            f"{identifier(field)} {exact_type(cast('ValueType', inner), doubles=doubles)}"
            for field, inner in kind.children
        )
        return f"STRUCT({', '.join(fields)})"
    if name == "map":
        value = exact_type(dict(kind.children)["value"], doubles=doubles)
        return f"MAP(VARCHAR, {value})"
    if name in ("boolean", "bigint", "ubigint") or (name == "double" and doubles):
        return name.upper()
    return "JSON" if str(kind) == "JSON" or name not in _TEXTS else "VARCHAR"


_TEXTS = {
    "varchar", "uuid", "date", "time", "time with time zone", "timestamp with time zone",
    *_LOCAL_TIMES,
}  # fmt: skip


def literal(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return a name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
