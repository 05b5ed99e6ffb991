"""Every example of docs/mapping.md: a mapping, a row, and what the row becomes."""

import json
import re

import pytest

from miso_upload.records import Findings
from miso_upload.transform.identity import IdentityPolicy
from miso_upload.transform.mapping import Mapped, Mapper, MappingSpec, Skipped, parse_mapping
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.transform.validation import RecordValidator
from miso_upload.values.timestamps import TimestampReader
from tests.helpers.paths import ROOT

PAGE = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"## ([^\n]+)\n(?:(?!\n## ).)*?```toml\n(.*?)```\n```json\n(.*?)```\n```json\n(.*?)```",
    PAGE,
    re.DOTALL,
)


@pytest.mark.parametrize(("title", "text", "row", "expected"), EXAMPLES)
def test_an_example_becomes_what_the_page_says(title, text, row, expected):
    file = parse_mapping("docs/mapping.md", text)
    plan = MappingSpec(file.rules, file.skips, file.routing, file.ignored)
    mapper = Mapper(plan, shipped_schema(), TimestampReader(), IdentityPolicy(), None)

    found = mapper.map_row(json.loads(row), 1, Findings())

    if isinstance(found, Skipped):
        assert f"skipped: {found.rule}" == json.loads(expected)
    else:
        assert isinstance(found, Mapped), found
        assert found.record == json.loads(expected)
        assert RecordValidator(shipped_schema()).reasons(found.record) == ()


def test_no_example_is_overlooked():
    assert len(EXAMPLES) == PAGE.count("```toml") >= 11
