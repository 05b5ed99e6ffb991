"""Every example of docs/mapping.md: a mapping, a row, and what the row becomes."""

import re

import pytest

from miso_upload.transform.mapping import parse_mapping
from tests.helpers.mapped import assert_is_mapped_to
from tests.helpers.paths import ROOT

PAGE = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"## ([^\n]+)\n(?:(?!\n## ).)*?```toml\n(.*?)```\n```json\n(.*?)```\n```json\n(.*?)```",
    PAGE,
    re.DOTALL,
)
FILES = re.findall(r"```\w+ title=\"([^\"]+)\"\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("title", "text", "row", "expected"), EXAMPLES)
def test_an_example_becomes_what_the_page_says(title, text, row, expected, tmp_path):
    for name, content in FILES:
        (tmp_path / name).write_text(content, encoding="utf-8")

    assert_is_mapped_to(parse_mapping(str(tmp_path / "mapping.toml"), text), row, expected)


def test_no_example_is_overlooked():
    assert len(EXAMPLES) == PAGE.count("```toml\n") >= 18
