"""Logs of real servers are read."""

import hashlib

import pytest

from miso_upload.transform.identity import anonymous_id
from tests.helpers.reading import read_file


@pytest.fixture
def logs(shared_data):
    return shared_data / "weblogs"


def test_a_combined_log_is_read_except_its_truncated_line(logs):
    found = read_file(logs / "elastic_apache_combined.log", rows=777)

    assert len(found.rows) == 9_999
    assert [line for line, _ in found.reasons] == [8_899]
    assert len({row["ip"] for row in found.values}) == 1_753
    # With the truncated line, there are 9,126.
    assert sum(row["status"] == "200" for row in found.values) == 9_125
    assert sum("user_agent" not in row for row in found.values) == 190


def test_visitor_ids_are_derived_from_the_log(logs):
    found = read_file(logs / "elastic_apache_combined.log")
    row = found.values[0]

    message = f"{row['ip']}\n{row['user_agent']}".encode()
    assert anonymous_id(row["ip"], row["user_agent"]) == hashlib.sha256(message).hexdigest()


def test_all_lines_among_comments_and_blanks_are_read(logs):
    found = read_file(logs / "awstats_testglobal.log")

    assert len(found.rows) == 56
    assert found.rejections == []
    assert {row["user"] for row in found.values if "user" in row} == {"john", "John Begood"}
    assert {row["timestamp"][-6:] for row in found.values} == {"+01:00", "+02:00", "-03:00"}


def test_hostile_requests_yield_rows_without_method_and_url(logs):
    for name, lines in (("nginx-http-malformed.log", 12), ("apache2-malformed.log", 11)):
        found = read_file(logs / name)

        assert (len(found.rows), found.rejections) == (lines, [])
        assert all({"method", "url"}.isdisjoint(row) for row in found.values)
        assert {row["status"] for row in found.values} == {"400"}


@pytest.mark.parametrize(
    ("name", "rows", "names"),
    [
        ("common.log", 1, {"ip", "user", "url"}),
        ("common.log.gz", 1, {"ip", "user", "url"}),
        ("common_vhost.log", 1, {"host", "ip", "url"}),
        ("common_complete.log", 1, {"host", "ip", "user_agent"}),
        ("ncsa_extended.log", 1, {"ip", "user_agent"}),
        ("static_ignores.log", 4, {"host", "ip", "user_agent"}),
        ("logs_to_tests.log", 4, {"ip", "url"}),
        ("iis.log", 1, {"ip", "user", "url", "user_agent", "cookie", "host"}),
        ("amazon_cloudfront_web.log", 1, {"ip", "url", "user_agent", "scheme", "host"}),
        ("nginx_json.log", 2, {"ip", "path", "user_agent"}),
    ],
)
def test_logs_of_other_layouts_are_detected_by_their_content(logs, name, rows, names):
    found = read_file(logs / "matomo" / name)

    assert (len(found.rows), found.rejections) == (rows, [])
    assert all(names <= set(row) for row in found.values)


def test_spaces_of_user_agents_are_restored(logs):
    agents = [
        read_file(logs / "matomo" / name).values[0]["user_agent"]
        for name in ("iis.log", "amazon_cloudfront_web.log")
    ]

    assert all((agent.startswith("Mozilla/5.0 (") and "; en-US;" in agent) or "; de-DE)" in agent
               for agent in agents)  # fmt: skip
