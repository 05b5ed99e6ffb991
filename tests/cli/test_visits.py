"""Visits of a log from the command line: what is kept, what is told, what may change."""

import json

import pytest
from click.testing import CliRunner
from conftest import ROOT, write_rows

from miso_upload import Settings, upload
from miso_upload.cli.commands import program
from miso_upload.sandbox import Sandbox
from miso_upload.transform.identity import anonymous_id

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


def invoke(*args, **kwargs):
    return CliRunner().invoke(program, [str(arg) for arg in args], **kwargs)


def tried(*args, preset="web-log", **kwargs):
    done = invoke(SPECIMEN, "--preset", preset, "--dry-run", *args, **kwargs)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_visits_are_counted_by_what_they_are_and_are_not(mapping):
    shown = tried("-m", mapping(ROUTES))

    assert "14 rows read = 4 valid + 0 rejected + 10 skipped" in shown
    for rule in ("assets", "bots", "not GET", "not answered with success", "no route fits"):
        assert f"  {rule}\n" in shown
    assert "4 visits matched no route" in shown


def test_without_routes_some_are_suggested_that_can_be_pasted(mapping):
    shown = tried()
    pasted = shown.partition("a mapping file:\n")[2].partition("\nOther pages")[0]

    assert "14 rows read = 0 valid" in shown
    assert "14 rows read = 7 valid + 0 rejected + 7 skipped" in tried("-m", mapping(pasted))


def test_bots_can_be_kept(mapping):
    routes = mapping(ROUTES)

    assert "14 rows read = 5 valid" in tried("-m", routes, "--keep", "bots")
    assert "14 rows read = 5 valid" in tried("-m", routes, env={"MISO_UPLOAD_KEEP": "bots"})
    assert "14 rows read = 5 valid" in tried("-m", mapping('[options]\nkeep = ["bots"]\n' + ROUTES))


def test_a_skip_that_there_is_not_is_exit_code_2():
    done = invoke(SPECIMEN, "--preset", "web-log", "--dry-run", "--keep", "bot")

    assert done.exit_code == 2
    assert "--keep bot: no rows are skipped under that name (did you mean bots?)" in done.stderr


@pytest.mark.parametrize(
    ("skip", "is_idle"),
    [
        ('column = "URL"\nempty = false', True),
        ('column = "url"\nlike = ["/nothing/*"]', False),
        ('column = "absent"\nempty = true', False),
    ],
    ids=["of another name", "without a hit", "with hits"],
)
def test_a_skip_that_reads_a_column_no_row_has_is_told(mapping, skip, is_idle):
    shown = tried("-m", mapping(f'{ROUTES}\n[[skip]]\nname = "mine"\n{skip}\n'))

    said = 'the skip "mine" left no row out, and no row at the beginning has URL; check the name'
    assert (said in shown) == is_idle


def test_a_rate_leaves_busy_visitors_out(mapping):
    shown = tried("-m", mapping(ROUTES), "--bot-rate", "2")

    assert "  bots by their rate\n" in shown


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


def test_what_is_no_proxy_is_exit_code_2():
    done = invoke(SPECIMEN, "--dry-run", "--trusted-proxies", "lb.example")

    assert done.exit_code == 2
    assert "such as 10.0.0.0/8" in done.stderr


def test_pages_without_a_route_are_in_the_report(tmp_path):
    report = tmp_path / "report.json"

    tried("--report", report)

    pages = json.loads(report.read_text())["pages_without_route"]
    assert pages[0] == {"path": "/products/*", "visits": 4}
    assert {"path": "/about", "visits": 1} in pages


def test_a_log_of_which_all_was_skipped_starts_over_when_routes_are_there(mapping, tmp_path):
    def run(sandbox, **options):
        return upload(
            Settings(
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


def test_a_log_that_was_skipped_and_rejected_starts_over_with_its_rejects(mapping, tmp_path):
    log = tmp_path / "visits.jsonl"
    log.write_bytes(SPECIMEN.read_bytes() + b"broken\n")
    rejects = tmp_path / "visits.jsonl.rejects.jsonl"
    state = ("--state-dir", tmp_path / "state")
    with Sandbox(key="key") as sandbox:
        env = {"MISO_API_KEY": "key", "MISO_UPLOAD_SERVER": sandbox.url}
        first = invoke(log, "--preset", "web-log", *state, env=env)
        second = invoke(log, "--preset", "web-log", "-m", mapping(ROUTES), *state, env=env)
        again = invoke(log, "--preset", "web-log", "-m", mapping(ROUTES), *state, env=env)

    assert "= 0 accepted + 0 already sent + 1 rejected + 14 skipped" in first.stdout
    assert "= 4 accepted + 0 already sent + 1 rejected + 10 skipped" in second.stdout
    assert "Miso has none of its rows, so it is read again" in second.stderr
    assert "(1 rejected and 14 skipped before)" in second.stderr
    assert [json.loads(line)["line"] for line in rejects.read_text().splitlines()] == [15]
    assert "nothing new" in again.stdout


def test_a_log_whose_visits_come_out_differently_is_not_sent_unsaid(mapping, tmp_path):
    state = ("--state-dir", tmp_path / "state", "--rejects", tmp_path / "rejects.jsonl")
    other = ROUTES.replace("product_detail_page_view", "category_page_view")
    other = other.replace("{product_ids}", "{category}")
    with Sandbox(key="key") as sandbox:
        env = {"MISO_API_KEY": "key", "MISO_UPLOAD_SERVER": sandbox.url}
        args = (SPECIMEN, "--preset", "web-log", *state)
        invoke(*args, "-m", mapping(ROUTES), env=env)

        done = invoke(*args, "-m", mapping(other, "other.toml"), env=env)

    assert done.exit_code == 2
    assert "The mapping file or preset has changed" in done.stderr
    assert "--changed-mapping send" in done.stderr


def test_a_draft_for_a_log_is_written_and_tried(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    made = invoke("init", SPECIMEN)

    assert "4 routes for what the preset web-log takes for visits" in made.stdout
    assert "First 14 rows = 7 valid + 0 rejected + 7 skipped" in made.stdout
    assert "14 rows read = 7 valid" in invoke(SPECIMEN, "-m", "mapping.toml", "--dry-run").stdout
