"""Every example and id of docs/web-logs.md."""

import re

import pytest

from miso_upload.transform.identity import IdentityPolicy, anonymous_id
from miso_upload.transform.mapping import (
    overlaid,
    parse_mapping,
    read_preset,
    without_skips,
)
from miso_upload.transform.options import IdentityOptions
from miso_upload.values.addresses import canonical_ip, network_address
from tests.helpers.mapped import assert_is_mapped_to
from tests.helpers.paths import ROOT

PAGE = (ROOT / "docs" / "web-logs.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```\n```json\n(.*?)```\n```json\n(.*?)```", PAGE, re.DOTALL)
IDS = re.findall(
    r"^\| `(.*?)` \| `(.*?)` \| (\d+) \|(.*?)\| `([0-9a-f]{64})` \|$", PAGE, re.MULTILINE
)


@pytest.mark.parametrize(("text", "row", "expected"), EXAMPLES)
def test_an_example_becomes_what_the_page_says(text, row, expected):
    file = parse_mapping("docs/web-logs.md", text)
    file = overlaid(file, read_preset(file.options["preset"]))
    file = without_skips(file, file.options.get("keep", ()))

    assert_is_mapped_to(file, row, expected)


@pytest.mark.parametrize(("ip", "agent", "prefix", "salt", "published"), IDS)
def test_the_published_ids_are_the_ones_that_are_made(ip, agent, prefix, salt, published):
    salt = salt.strip().strip("`").encode()
    record = {}

    IdentityPolicy(IdentityOptions(ipv6_prefix=int(prefix), anonymous_id_salt=salt)).apply(
        record, ip, agent
    )

    network = network_address(canonical_ip(ip), int(prefix))
    assert record["anonymous_id"] == published == anonymous_id(network, agent, salt=salt)


def test_no_example_is_overlooked():
    assert len(EXAMPLES) == PAGE.count("```toml") >= 6
    assert len(IDS) == 6
