"""Random interaction records for property tests, drawn from the shipped schema.

`records()` are records that Miso takes; `damaged_records()` are such records with something in them
removed, added or replaced, so most but not all of them are refused. `spellings()` are the ways to
write an address.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from miso_upload.transform.schema.schema import shipped_schema

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

IDS = ("user_id", "anonymous_id")
TYPES = tuple(shipped_schema().types)

_WIDE = "\N{GRINNING FACE}"
"""One character that is two units of UTF-16 and four bytes of UTF-8."""

numbers = st.one_of(
    st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False)
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def records(type_name: str | None = None) -> SearchStrategy[dict[str, Any]]:
    """Return a strategy for records that Miso takes, with a timestamp and an id."""
    names = st.sampled_from(TYPES) if type_name is None else st.just(type_name)
    return names.flatmap(_records_of)


@st.composite
def damaged_records(draw: DrawFn, type_name: str | None = None) -> dict[str, Any]:
    """Draw a record that was taken until something in it was removed, added or replaced."""
    record = draw(records(type_name))
    place: dict[str, Any] = record
    while inner := [value for value in place.values() if isinstance(value, dict)]:
        if draw(st.booleans()):
            break
        place = draw(st.sampled_from(inner))
    key = draw(st.sampled_from([*place, "revenue", "no such attribute"]))
    if key in place and draw(st.booleans()):
        del place[key]
    else:
        place[key] = draw(json_values)
    return record


@cache
def _records_of(type_name: str) -> SearchStrategy[dict[str, Any]]:
    values = _values(shipped_schema().type_schema(type_name))
    return st.builds(_identified, values, _values(_definition("timestamp")), _texts({}))


def _identified(record: dict[str, Any], timestamp: str, visitor: str) -> dict[str, Any]:
    record = {"timestamp": timestamp, **record}
    for name in IDS:
        if record.get(name) == "":
            del record[name]
    return record if any(name in record for name in IDS) else {**record, IDS[1]: f"v{visitor}"}


def _definition(attribute: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/attributes/{attribute}"}


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what the shipped schema's own kind of `$ref` points to."""
    if "$ref" not in schema:
        return schema
    found = shipped_schema().document
    for step in schema["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


def _values(schema: dict[str, Any]) -> SearchStrategy[Any]:
    schema = _resolved(schema)
    if "const" in schema:
        return st.just(schema["const"])
    if "anyOf" in schema:
        return st.one_of(*map(_values, schema["anyOf"]))
    return {
        "string": _texts,
        "number": lambda _: numbers,
        "boolean": lambda _: st.booleans(),
        "array": lambda node: st.lists(_values(node["items"]), max_size=3),
        "object": _objects,
    }[schema["type"]](schema)


def _objects(schema: dict[str, Any]) -> SearchStrategy[dict[str, Any]]:
    named = {name: _values(node) for name, node in schema.get("properties", {}).items()}
    required = {name: named.pop(name) for name in schema.get("required", ())}
    known = st.fixed_dictionaries(required, optional=named)
    others = schema.get("additionalProperties", True)
    if others is False:
        return known
    extra = json_values if others is True else _values(others)
    return st.builds(
        lambda extra, known: {**extra, **known},
        st.dictionaries(
            st.text(max_size=8).filter(lambda key: key not in named), extra, max_size=2
        ),
        known,
    )


def _texts(schema: dict[str, Any]) -> SearchStrategy[str]:
    if "format" in schema:
        return _FORMATS[schema["format"]]
    plain = st.text(max_size=12)
    longest = schema.get("maxLength")
    return plain if longest is None else st.one_of(plain, st.just(_WIDE * longest))


def _timestamp(moment: datetime, fraction: str, offset: str) -> str:
    return moment.isoformat(timespec="seconds") + fraction + offset


_FORMATS: dict[str, SearchStrategy[str]] = {
    "date-time": st.builds(
        _timestamp,
        st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1)),  # noqa: DTZ001
        st.sampled_from(["", ".5", ".123", ".123456", ".123456789"]),
        st.sampled_from(["Z", "z", "+00:00", "-08:00", "+05:30", "+14:00"]),
    ),
    "uuid": st.uuids().map(str),
    "ipv4": st.ip_addresses(v=4).map(str),
}


def spellings(address: IPv4Address | IPv6Address) -> list[str]:
    """Return ways to write one address."""
    plain = str(address)
    if address.version == 4:
        mapped = IPv6Address(0xFFFF_0000_0000 + int(address))
        others = [f"{plain}:443", f"::ffff:{plain}", f"::FFFF:{plain}", f"[::ffff:{plain}]:80"]
    else:
        mapped = address
        others = [f"[{plain}]:443", f"[{plain}%eth0]"]
    return [
        plain,
        f" {plain}\t",
        *others,
        mapped.exploded,
        mapped.exploded.upper(),
        f"[{mapped.exploded}]",
        f"{mapped.exploded}%eth0",
    ]
