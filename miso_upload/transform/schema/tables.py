"""Derives tables from the shipped schema ahead of time; `make tables` writes `tables.json`.

Every start needs the tables, and deriving them takes thousands of calls. The file has the checksum
of its schema. With any other schema it is ignored, and the tables are derived from that one.
"""

from __future__ import annotations

import sys
from zlib import crc32

from miso_upload.transform.schema.resources import TABLES
from miso_upload.transform.schema.schema import derived_schema, shipped_schema_text
from miso_upload.values.json import encode_pretty


def tables_text() -> bytes:
    """Return the contents of the file."""
    text = shipped_schema_text()
    schema = derived_schema(text)
    return encode_pretty(
        {
            "checksum": crc32(text),
            "types": {name: each._asdict() for name, each in schema.types.items()},
            "attributes": {
                path: [each.kind.name, each.description] for path, each in schema.attributes.items()
            },
            "validation_document": schema.validation_document,
        }
    )


def _main(arguments: list[str]) -> int:
    """Write the file, or with `--check` return 1 if it is not up to date."""
    if arguments == ["--check"]:
        return int(not TABLES.exists() or TABLES.read_bytes() != tables_text())
    TABLES.write_bytes(tables_text())
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
