"""Reads lookup tables: CSV or JSON files that translate the values of a column.

A table is read once, when the mapping file is read, and then is part of the mapping: a run with
another content of the table is a run with another mapping.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from typing import TYPE_CHECKING, Any

from miso_upload.errors import ConfigurationError
from miso_upload.transform.mapping.cells import CellError, to_text
from miso_upload.values.display import column_name, counted, did_you_mean, quoted
from miso_upload.values.json import JSONDecodeError, decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_MOST_BYTES = 2**28
_DELIMITERS = ",;\t|"


class LookupTable:
    """A table from texts to texts. Tables with equal contents are equal.

    Attributes:
        values: The text that replaces each text. Empty text means no value.
    """

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values
        digest = hashlib.sha256()
        for key in sorted(values):
            digest.update(f"{len(key)}:{key}{len(values[key])}:{values[key]}".encode(
                "utf-8", "surrogatepass"))  # fmt: skip
        self._digest = digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LookupTable) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)

    def __repr__(self) -> str:
        """Return what identifies the contents, for the fingerprint of a mapping."""
        return f"LookupTable({self._digest})"


def read_lookup_table(
    file: str, directory: Path, key: str | None, value: str | None
) -> LookupTable:
    """Return the table in a file.

    Args:
        file: The path, relative to `directory`.
        directory: The directory of the mapping file.
        key: The column of the texts to replace; None for a JSON object.
        value: The column of the texts instead; None for a JSON object.

    Raises:
        ConfigurationError: The file cannot be read, is no table, lacks a column, or has two values
            for one key.
    """
    path = directory / file
    shown = f"has the lookup table {file!r}"
    try:
        with path.open("rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ConfigurationError(f"{shown}, which is larger than {_MOST_BYTES:,} bytes")
        text = data.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise
        reason = (error.strerror if isinstance(error, OSError) else "it is not in UTF-8") or error
        raise ConfigurationError(f"{shown}, which cannot be read: {reason}") from None
    try:
        return LookupTable(_unique(_pairs(text, key, value)))
    except ConfigurationError as error:
        raise ConfigurationError(f"{shown}, which {error}") from None


def _unique(pairs: Iterable[tuple[int, Any, Any]]) -> dict[str, str]:
    """Return pairs as a dict; an empty key is no key.

    Raises:
        ConfigurationError: A key has two values, or one of them is no text.
    """
    values: dict[str, str] = {}
    for line, key, value in pairs:
        if key is None or key == "":
            continue
        try:
            text, instead = to_text(key), "" if value is None else to_text(value)
        except CellError as error:
            raise ConfigurationError(f"has in entry {line:,} a value that {error}") from None
        if values.setdefault(text, instead) != instead:
            raise ConfigurationError(
                f"has two values for the key {quoted(text)}; the second is in entry {line:,}"
            )
    if not values:
        raise ConfigurationError("has no entries")
    return values


def _pairs(text: str, key: str | None, value: str | None) -> Iterator[tuple[int, Any, Any]]:
    """Yield the number of each entry, its key and its value."""
    if text.lstrip().startswith(("{", "[")):
        return _json_pairs(text, key, value)
    return _csv_pairs(text, key, value)


def _json_pairs(text: str, key: str | None, value: str | None) -> Iterator[tuple[int, Any, Any]]:
    if key is None and value is None:
        yield from _pairs_of_object(text)
        return
    columns = _both(key, value)
    try:
        found = decode(text)
    except JSONDecodeError:
        lines = enumerate(text.split("\n"), 1)
        found = [_decoded_line(number, line) for number, line in lines if line.strip()]
    for i, entry in enumerate([found] if isinstance(found, dict) else found, 1):
        missing = [name for name in columns if not isinstance(entry, dict) or name not in entry]
        if missing:
            near = did_you_mean(missing[0], entry, repr) if isinstance(entry, dict) else ""
            raise ConfigurationError(f"has in entry {i:,} no {missing[0]!r}{near}")
        yield i, entry[columns[0]], entry[columns[1]]


def _pairs_of_object(text: str) -> Iterator[tuple[int, Any, Any]]:
    """Yield the entries of one JSON object, in which a key may be there twice."""
    try:
        found = json.loads(text, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        raise ConfigurationError("is not one JSON object") from None
    if not isinstance(found, tuple):
        _both(None, None)
    for i, pair in enumerate(found, 1):
        yield i, *pair


def _decoded_line(number: int, line: str) -> Any:  # noqa: ANN401 -- any JSON value
    try:
        return decode(line)
    except JSONDecodeError:
        raise ConfigurationError(f"is not JSON in line {number:,}") from None


def _both(key: str | None, value: str | None) -> tuple[str, str]:
    if key is None or value is None:
        raise ConfigurationError(
            'is a table with columns. Name them: lookup = { file = "FILE", key = "COLUMN", '
            'value = "COLUMN" }'
        )
    return key, value


def _csv_pairs(text: str, key: str | None, value: str | None) -> Iterator[tuple[int, str, str]]:
    columns = _both(key, value)
    header, delimiter = _header(text, columns)
    indices = [header.index(name) for name in columns]
    reader = _rows(text, delimiter)
    next(reader)
    try:
        for cells in reader:
            line = reader.line_num
            if cells and len(cells) != len(header):
                raise ConfigurationError(
                    f"has {counted(len(cells), 'cell')} in line {line:,}, and {len(header):,} in "
                    "its header"
                )
            if cells:
                yield line, cells[indices[0]].strip(), cells[indices[1]].strip()
    except csv.Error as error:
        raise ConfigurationError(f"is not CSV in line {reader.line_num:,}: {error}") from None


def _rows(text: str, delimiter: str) -> Any:  # noqa: ANN401 -- the reader's type has no name
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


def _header(text: str, columns: tuple[str, str]) -> tuple[list[str], str]:
    """Return the header, by the delimiter that shows both columns in it, and this delimiter."""
    headers = []
    for delimiter in _DELIMITERS:
        try:
            cells: list[str] = next(_rows(text, delimiter), [])
        except csv.Error:
            continue
        headers.append([cell.strip() for cell in cells])
        if all(name in headers[-1] for name in columns):
            return headers[-1], delimiter
    header = max(headers, key=len, default=[])
    missing = next(name for name in columns if name not in header)
    raise ConfigurationError(
        f"has no column {missing!r}{did_you_mean(missing, header, column_name)}"
    )
