"""What is derived from the shipped schema: made by `make tables`, read by each start.

Deriving it takes thousands of calls, and it is the same each time. The file names the schema that
it was made from by a checksum; beside any other schema it is ignored, and all is derived anew.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from miso_upload.values.json import JSONDecodeError, decode, encode_pretty

if TYPE_CHECKING:
    from miso_upload.transform.schema.schema import Schema

FILE = Path(__file__).with_name("tables.json")


def read_tables(schema: bytes) -> dict[str, Any] | None:
    """Return the tables of a schema, given its text; None if there are none for this very text."""
    try:
        tables: dict[str, Any] = decode(FILE.read_bytes())
    except (OSError, JSONDecodeError):
        return None
    return tables if tables["checksum"] == crc32(schema) else None


def tables_text(schema: Schema, text: bytes) -> bytes:
    """Return what the file has to hold for `schema`, whose own text is `text`."""
    return encode_pretty(
        {
            "checksum": crc32(text),
            "types": {name: each._asdict() for name, each in schema.types.items()},
            "attributes": {
                path: [each.kind.name, each.description] for path, each in schema.attributes.items()
            },
            "judged": schema.judged,
        }
    )


def _main(arguments: list[str]) -> int:
    """Write the file, or with `--check` say whether it is as it would be written."""
    from miso_upload.transform.schema.schema import (  # noqa: PLC0415 -- which reads the file
        derived_schema,
        shipped_schema_text,
    )

    text = shipped_schema_text()
    wanted = tables_text(derived_schema(text), text)
    if arguments == ["--check"]:
        return int(not FILE.exists() or FILE.read_bytes() != wanted)
    FILE.write_bytes(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
