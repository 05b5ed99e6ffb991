"""The tables that are shipped with the schema say what it says, and spare each start work."""

import json
import sys
from pathlib import Path
from zlib import crc32

import pytest

import miso_upload
from miso_upload.transform.schema import resources, tables
from miso_upload.transform.schema.schema import (
    derived_schema,
    shipped_schema,
    shipped_schema_text,
)
from miso_upload.transform.validation import RecordValidator

PROGRAM = str(Path(miso_upload.__file__).parent)


@pytest.fixture
def fresh():
    """Read the shipped schema again in a test, and after it."""
    shipped_schema.cache_clear()
    yield shipped_schema
    shipped_schema.cache_clear()


def test_the_file_is_what_make_tables_writes():
    assert resources.TABLES.read_bytes() == tables.tables_text()


def test_a_schema_with_tables_is_the_one_that_is_derived():
    with_tables, derived = shipped_schema(), derived_schema(shipped_schema_text())

    assert with_tables.tables is not None
    assert derived.tables is None
    assert with_tables.types == derived.types
    assert with_tables.attributes == derived.attributes
    assert with_tables.validation_document == derived.validation_document
    assert with_tables.document == derived.document


@pytest.mark.parametrize(
    "path",
    ["user_id", "context", "context.page.url", "context.custom.anything", "custom_context.mine",
     "no_attribute", "context.page.url.deeper", "", ".", "user_id."],
)  # fmt: skip
def test_any_path_is_answered_as_without_tables(path):
    derived = derived_schema(shipped_schema_text())

    assert shipped_schema().attribute(path) == derived.attribute(path)


@pytest.mark.parametrize(
    "content",
    [None, b"", b"not JSON", json.dumps({"checksum": crc32(b"another schema")}).encode()],
)
def test_tables_of_another_schema_are_ignored(content, fresh, tmp_path, monkeypatch):
    file = tmp_path / "tables.json"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setattr(resources, "TABLES", file)

    assert fresh().tables is None
    assert fresh().types == derived_schema(shipped_schema_text()).types


def test_a_start_derives_nothing_from_the_schema(fresh):
    count = 0

    def counting(frame, event, _):
        nonlocal count
        count += event == "call" and frame.f_code.co_filename.startswith(PROGRAM)

    before = sys.getprofile()
    sys.setprofile(counting)
    try:
        schema = fresh()
        RecordValidator(schema)
        kind = schema.attribute("product_ids").kind
    finally:
        sys.setprofile(before)

    assert kind is not None
    assert count < 150
