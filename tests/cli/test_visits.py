"""Visits of a log from the command line: what is kept, what is told, what may change."""

import json
import re

import pytest

from miso_upload import Settings, upload
from miso_upload.sandbox import Sandbox
from miso_upload.transform.identity import anonymous_id
from tests.helpers.commands import invoke
from tests.helpers.paths import ROOT
from tests.helpers.rows import counts_in, write_rows

SPECIMEN = ROOT / "tests" / "presets" / "specimens" / "web-log.jsonl"
ROUTES = """
[[routes]]
match = "/products/{product_ids}"
type = "product_detail_page_view"
"""


@pytest.fixture
def mapping(tmp_path):
    """Write a mapping file and return its path."""

    def write(text, name="my.toml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def tried(*args, preset="web-log", **kwargs):
    done = invoke(SPECIMEN, "--preset", preset, "--dry-run", *args, **kwargs)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_visits_are_counted_by_what_they_are_and_are_not(mapping, golden):
    shown = tried("-m", mapping(ROUTES))

    assert counts_in(shown)[:4] == [14, 4, 0, 10]
    assert shown == golden


def test_without_routes_some_are_suggested_that_can_be_pasted(mapping, golden):
    shown = tried()
    pasted = "\n".join(re.findall(r"^ *(?:\[\[.*|\w+ = .*)?$", shown, re.MULTILINE))

    assert counts_in(shown)[:2] == [14, 0]
    assert shown == golden
    assert counts_in(tried("-m", mapping(pasted)))[:4] == [14, 7, 0, 7]


def test_bots_can_be_kept(mapping):
    routes = mapping(ROUTES)

    assert counts_in(tried("-m", routes, "--keep", "bots"))[:2] == [14, 5]
    assert counts_in(tried("-m", routes, env={"MISO_UPLOAD_KEEP": "bots"}))[:2] == [14, 5]
    kept = mapping('[options]\nkeep = ["bots"]\n' + ROUTES)
    assert counts_in(tried("-m", kept))[:2] == [14, 5]


def test_a_skip_that_there_is_not_is_exit_code_2(golden):
    done = invoke(SPECIMEN, "--preset", "web-log", "--dry-run", "--keep", "bot")

    assert done.exit_code == 2
    assert done.stderr == golden


@pytest.mark.parametrize(
    "skip",
    [
        'column = "URL"\nempty = false',
        'column = "url"\nlike = ["/nothing/*"]',
        'column = "absent"\nempty = true',
    ],
    ids=["of another name", "without a hit", "with hits"],
)
def test_a_skip_that_reads_a_column_no_row_has_is_told(mapping, skip, golden):
    shown = tried("-m", mapping(f'{ROUTES}\n[[skip]]\nname = "mine"\n{skip}\n'))

    assert shown == golden


def test_a_rate_leaves_busy_visitors_out(mapping, golden):
    shown = tried("-m", mapping(ROUTES), "--bot-rate", "2")

    assert shown == golden


@pytest.mark.parametrize(
    "said",
    [("--trusted-proxies", "10.0.0.0/8,2001:db8::/32"), ("--trusted-proxies", "1"),
     ("-m", "trusted_proxies = 1"), ("-m", 'trusted_proxies = "10.0.0.0/8"'),
     ("-m", 'trusted_proxies = ["10.0.0.0/8", "2001:db8::/32"]')],
)  # fmt: skip
def test_proxies_are_trusted_by_number_or_by_network(said, mapping, tmp_path):
    row = {"type": "home_page_view", "timestamp": "2024-05-01T08:00:00Z", "ip": "10.0.0.1",
           "forwarded_for": "192.0.2.7", "user_agent": "Browser/1.0"}  # fmt: skip
    history = write_rows(tmp_path / "h.jsonl", [row])
    option, value = said
    value = mapping(f"[options]\n{value}\n") if option == "-m" else value

    shown = invoke("preview", history, option, value).stdout

    assert anonymous_id("192.0.2.7", "Browser/1.0")[:30] in shown


def test_what_is_no_proxy_is_exit_code_2(golden):
    done = invoke(SPECIMEN, "--dry-run", "--trusted-proxies", "lb.example")

    assert done.exit_code == 2
    assert done.stderr == golden


def test_pages_without_a_route_are_in_the_report(tmp_path):
    report = tmp_path / "report.json"

    tried("--report", report)

    pages = json.loads(report.read_text())["pages_without_route"]
    assert pages[0] == {"path": "/products/*", "visits": 4}
    assert {"path": "/about", "visits": 1} in pages


def test_a_log_of_which_all_was_skipped_starts_over_when_routes_are_there(mapping, tmp_path):
    def run(sandbox, **options):
        return upload(
            Settings.of(
                inputs=(str(SPECIMEN),), preset="web-log", server=sandbox.url, api_key="key",
                allow_insecure_http=True, state_dir=tmp_path / "state",
                rejects=str(tmp_path / "rejects.jsonl"), **options,
            )
        )  # fmt: skip

    with Sandbox(key="key") as sandbox:
        first = run(sandbox)
        second = run(sandbox, mapping=mapping(ROUTES))

        assert (first.totals.skipped, first.exit_code) == (14, 0)
        assert (second.totals.accepted, second.totals.skipped) == (4, 10)
        assert len(list(sandbox.records())) == 4


def test_a_log_that_was_skipped_and_rejected_starts_over_with_its_rejects(
    mapping, tmp_path, golden
):
    log = tmp_path / "visits.jsonl"
    log.write_bytes(SPECIMEN.read_bytes() + b"broken\n")
    rejects = tmp_path / "visits.jsonl.rejects.jsonl"
    state = ("--state-dir", tmp_path / "state")
    with Sandbox(key="key") as sandbox:
        env = {"MISO_API_KEY": "key", "MISO_UPLOAD_SERVER": sandbox.url}
        first = invoke(log, "--preset", "web-log", *state, env=env)
        second = invoke(log, "--preset", "web-log", "-m", mapping(ROUTES), *state, env=env)
        again = invoke(log, "--preset", "web-log", "-m", mapping(ROUTES), *state, env=env)

    assert counts_in(first.stdout)[1:5] == [0, 0, 1, 14]
    assert counts_in(second.stdout)[1:5] == [4, 0, 1, 10]
    assert second.stderr == golden
    assert [json.loads(line)["line"] for line in rejects.read_text().splitlines()] == [15]
    assert again.stdout == golden


def test_a_log_whose_visits_come_out_differently_is_not_sent_unsaid(mapping, tmp_path, golden):
    state = ("--state-dir", tmp_path / "state", "--rejects", tmp_path / "rejects.jsonl")
    other = ROUTES.replace("product_detail_page_view", "category_page_view")
    other = other.replace("{product_ids}", "{category}")
    with Sandbox(key="key") as sandbox:
        env = {"MISO_API_KEY": "key", "MISO_UPLOAD_SERVER": sandbox.url}
        args = (SPECIMEN, "--preset", "web-log", *state)
        invoke(*args, "-m", mapping(ROUTES), env=env)

        done = invoke(*args, "-m", mapping(other, "other.toml"), env=env)

    assert done.exit_code == 2
    assert done.stderr == golden


def test_a_draft_for_a_log_is_written_and_tried(tmp_path, monkeypatch, golden):
    monkeypatch.chdir(tmp_path)

    made = invoke("init", SPECIMEN)

    assert made.stdout == golden
    assert counts_in(invoke(SPECIMEN, "-m", "mapping.toml", "--dry-run").stdout)[:2] == [14, 7]
