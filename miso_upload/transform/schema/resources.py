"""Finds the data files that are shipped with the code, in a wheel or in the source tree."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from miso_upload.errors import MisoUploadError
from miso_upload.values.json import JSONDecodeError, decode

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

SCHEMAS = "schemas"
TABLES = Path(__file__).with_name("tables.json")
"""The tables that are derived from the shipped schema; see `tables.py`."""


def shipped_schema_file(name: str) -> Traversable:
    """Return a file of `schemas/`, from the package in a wheel or next to it in the source tree.

    Raises:
        MisoUploadError: The file is missing.
    """
    inside = resources.files("miso_upload") / SCHEMAS / name
    beside = Path(__file__).parents[3] / SCHEMAS / name
    found: Traversable
    for found in (inside, beside):
        if found.is_file():
            return found
    raise MisoUploadError(f"the file {name} of miso-upload is missing. Install miso-upload again")


def shipped_tables(schema: bytes) -> dict[str, Any] | None:
    """Return the tables of a schema, given its text; None if there are none for this very text."""
    try:
        tables: dict[str, Any] = decode(TABLES.read_bytes())
    except (OSError, JSONDecodeError):
        return None
    return tables if tables["checksum"] == crc32(schema) else None
