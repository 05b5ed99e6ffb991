"""Finds the list of rows inside a JSON document, by a path or to suggest one."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from miso_upload.errors import ConfigurationError
from miso_upload.sources.formats.base import LOOKED_AT
from miso_upload.values.json import JSONDecodeError, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from miso_upload.sources.formats.base import Format

_VALUES = "*"
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_SPACE = re.compile(rb"[ \t\r\n]*+")
_NAME = re.compile(rb"[ \t\r\n,]*+(" + _STRING + rb")[ \t\r\n]*+:[ \t\r\n]*+", re.DOTALL)
_TOKEN = re.compile(_STRING + rb"|[\[\]{},]", re.DOTALL)
_OBJECT_IN_LIST = re.compile(rb"\[[ \t\r\n]*+\{")
_MOST_DEEP = 3
_MOST_MEMBERS = 1_000
_OWN = frozenset(("type", "timestamp", "event", "user_id", "anonymous_id"))
"""Names of a record: an object with one of them is a row."""


def items_at(
    name: str, peek: Callable[[int], bytes], start: int, path: str, row_bytes: int
) -> tuple[Format, int]:
    """Return the format of the rows at a path, and the offset of the first one.

    Raises:
        ConfigurationError: The path leads to no list, or to no object before `*`.
    """
    from miso_upload.sources.formats.json_array import JsonArray  # noqa: PLC0415

    steps = path.split(".")
    for size in (LOOKED_AT, start + row_bytes + 1):
        data = peek(size)
        at = _value_at(data, start, [step for step in steps if step != _VALUES])
        if at is not None:
            break
    wanted = b"{" if steps[-1] == _VALUES else b"["
    if at is None or _VALUES in steps[:-1] or not data.startswith(wanted, at):
        found = path_at_beginning(data[start:].lstrip())
        hint = f". Possible fix: --items {found}" if found else "; check the path"
        what = "object" if wanted == b"{" else "list"
        raise ConfigurationError(f"{name}: there is no {what} at --items {path}{hint}")
    depth = sum(step != _VALUES for step in steps)
    return JsonArray(row_bytes, b"}" if wanted == b"{" else b"]", depth), at + 1


def path_in(body: bytes) -> str | None:
    """Return the path of the rows in a text that is one JSON object without a row's own names."""
    try:
        document = decode(body)
    except JSONDecodeError:
        return None
    if not isinstance(document, dict) or _OWN & document.keys():
        return None
    return next(_objects(document, ""), None) or next(_lists(document, ""), None)


def path_at_beginning(body: bytes) -> str | None:
    """Return the path of the first list of objects, or object of objects, in a beginning."""
    return ".".join(_first_list(body, 0, ())) or None


def _lists(value: dict[str, Any], before: str) -> Iterator[str]:
    for name, inner in value.items():
        if isinstance(inner, list) and inner and all(isinstance(each, dict) for each in inner):
            yield before + name
        elif isinstance(inner, dict) and before.count(".") < _MOST_DEEP:
            yield from _lists(inner, f"{before}{name}.")


def _objects(value: dict[str, Any], before: str) -> Iterator[str]:
    """Yield the paths of objects whose values are several objects with names in common."""
    inner = [each for each in value.values() if isinstance(each, dict)]
    if len(inner) > 1 and len(inner) == len(value):
        common = set(inner[0]).intersection(*inner[1:])
        if common and 2 * len(common) >= max(map(len, inner)):
            yield before + _VALUES
    elif before.count(".") < _MOST_DEEP:
        for name, each in value.items():
            if isinstance(each, dict):
                yield from _objects(each, f"{before}{name}.")


def _value_at(data: bytes, start: int, steps: list[str]) -> int | None:
    """Return the offset of the value at a path; None if it is not in `data`."""
    at = _end(_SPACE, data, start)
    for step in steps:
        for name, value in _members(data, at):
            if name == step:
                at = value
                break
        else:
            return None
    return at


def _first_list(data: bytes, at: int, before: tuple[str, ...]) -> tuple[str, ...]:
    members = list(islice(_members(data, at), _MOST_MEMBERS))
    names = [{name for name, _ in _members(data, value)} for _, value in members[:2]]
    if len(names) > 1 and 2 * len(names[0] & names[1]) >= max(map(len, names)) > 0:
        return (*before, _VALUES)
    for name, value in members:
        if _OBJECT_IN_LIST.match(data, value):
            return (*before, name)
        if data.startswith(b"{", value) and len(before) < _MOST_DEEP:
            found = _first_list(data, value, (*before, name))
            if found:
                return found
    return ()


def _members(data: bytes, at: int) -> Iterator[tuple[str, int]]:
    """Yield the names of an object at an offset, each with the offset of its value."""
    if not data.startswith(b"{", at):
        return
    at += 1
    while found := _NAME.match(data, at):
        try:
            yield decode(found[1]), found.end()
        except JSONDecodeError:
            return
        end = _after_value(data, found.end())
        if end is None or not data.startswith(b",", end):
            return
        at = end


def _after_value(data: bytes, at: int) -> int | None:
    depth = 0
    for token in _TOKEN.finditer(data, at):
        if token[0] in (b"[", b"{"):
            depth += 1
        elif token[0] in (b"]", b"}"):
            if not depth:
                return token.start()
            depth -= 1
        elif token[0] == b"," and not depth:
            return token.start()
    return None


def _end(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    found = pattern.match(data, at)
    return found.end() if found else at


__all__ = ["items_at", "path_at_beginning", "path_in"]
