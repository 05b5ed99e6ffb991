"""Rows mapped by mapping files, alone and with others."""

import json

from miso_upload.records import Findings
from miso_upload.transform.identity import IdentityPolicy
from miso_upload.transform.mapping import Mapped, Mapper, Skipped
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.transform.validation import RecordValidator
from miso_upload.values.timestamps import TimestampReader


def mapper_of(file, columns=None):
    """Return the mapper of a mapping file: for cells under `columns`, or for JSON."""
    return Mapper(file.spec, shipped_schema(), TimestampReader(), IdentityPolicy(), columns)


def assert_is_mapped_to(file, row, expected):
    """Assert that a row becomes a valid record, or is skipped; both are JSON, as in the docs."""
    found = mapper_of(file).map_row(json.loads(row), 1, Findings())

    if isinstance(found, Skipped):
        assert f"skipped: {found.rule}" == json.loads(expected)
    else:
        assert isinstance(found, Mapped), found
        assert found.record == json.loads(expected)
        assert RecordValidator(shipped_schema()).reasons(found.record) == ()


def outcomes_of(mapped):
    """Return what `Mapper.map_row` would have returned of each row that was mapped with others."""
    return [
        mapped.not_mapped[i] if i in mapped.not_mapped else Mapped(record, derived)
        for i, (record, derived) in enumerate(zip(mapped.records, mapped.derived, strict=True))
    ]
