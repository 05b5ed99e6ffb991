import re
import tomllib

import pytest

from miso_upload.pipeline.job import Job
from miso_upload.pipeline.settings import Settings
from miso_upload.sources.formats.access_log.layout import reader_of
from miso_upload.sources.formats.access_log.notation import layout_of
from tests.helpers.access_log_lines import COMBINED, IIS
from tests.helpers.commands import invoke
from tests.helpers.paths import ROOT
from tests.helpers.rows import counts_in

NGINX = '$remote_addr [$time_iso8601] "$request" $status "$http_user_agent"'
LINE = '192.0.2.1 [2023-10-10T13:55:36-07:00] "GET /shoes HTTP/1.1" 200 "Firefox"\n'


@pytest.fixture
def log(tmp_path):
    """Write a log and return its path."""

    def write(text, name="access.log"):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


@pytest.mark.parametrize(
    ("text", "rows"), [(f"{COMBINED}\n" * 3, 3), (IIS + IIS.splitlines()[-1] + "\n", 2)]
)
def test_a_log_is_read_like_any_other_history(log, text, rows, golden):
    shown = invoke(log(text), "--dry-run", "--set", "type=home_page_view")

    assert shown.exit_code == 0
    assert counts_in(shown.stdout) == [rows, rows, 0, 0]
    assert shown.stdout == golden


def test_a_line_that_is_cut_is_rejected_and_counted(log, golden):
    path = log(f"{COMBINED}\n{COMBINED[:-9]}\n{COMBINED}\n")

    shown = invoke(path, "--dry-run", "--set", "type=home_page_view")

    assert shown.exit_code == 1
    assert counts_in(shown.stdout)[:3] == [3, 2, 1]
    assert shown.stdout == golden


def test_a_log_of_its_own_layout_is_read_as_it_is_described(log, golden):
    path = log(LINE * 2)

    shown = invoke(path, "--dry-run", "--set", "type=home_page_view", "--log-format", NGINX)

    assert shown.stdout == golden


def test_an_error_log_is_refused_before_anything_is_read(log, golden):
    path = log("2023/10/10 13:55:36 [error] 12#0: *5 open() failed, client: 192.0.2.1\n")

    shown = invoke(path, "--dry-run")

    assert shown.exit_code == 2
    assert shown.stderr == golden
    assert "192.0.2.1" not in shown.stderr


def test_init_and_preview_read_a_log_as_it_is_described(log):
    path = log(LINE * 2)

    made = invoke("init", path, "-o", "-", "--log-format", NGINX)
    shown = invoke("preview", path, "--rows", "1", "--log-format", NGINX)

    assert tomllib.loads(made.stdout)["options"] == {
        "preset": "web-log",
        "log_format": NGINX,
    }
    assert "Firefox" in shown.stdout


def test_the_log_format_is_part_of_the_job_fingerprint():
    texts = {
        Job(Settings.of(inputs=(), log_format=each)).fingerprint for each in (None, "%h", "%a")
    }

    assert len(texts) == 3


def test_the_layouts_of_the_documentation_are_layouts():
    page = (ROOT / "docs" / "web-logs.md").read_text(encoding="utf-8")
    found = re.findall("--log-format '([^']*)'", page)

    assert len(found) == 3
    for text in found:
        assert callable(reader_of(layout_of(text)))
