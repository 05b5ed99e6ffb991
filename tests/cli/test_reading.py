"""The real program on inputs that cannot be read, are still written, or are no files."""

import json
import os
import sys

import pytest

from tests.helpers.rows import counts_in, row, write_rows

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="files are as POSIX has them")
HOUR = 3600
MINUTE = 60


@pytest.fixture
def folder(tmp_path):
    return write_rows(tmp_path / "logs" / "a.jsonl", [row(1), row(2)]).parent


@pytest.fixture
def dry_run(run, tmp_path):
    def run_dry(*args, **options):
        return run(*args, "--dry-run", cwd=tmp_path, **options)

    return run_dry


def text_of(*numbers):
    return "\n".join(json.dumps(row(number)) for number in numbers)


@pytest.mark.parametrize("name", ["logs", "logs/*"])
@pytest.mark.parametrize("leads_to", ["nowhere", "b.jsonl"])
def test_a_link_that_leads_nowhere_holds_up_no_other_input(dry_run, folder, name, leads_to, golden):
    (folder / "b.jsonl").symlink_to(leads_to)

    done = dry_run(name)

    assert done.returncode == 3
    assert counts_in(done.stdout)[:2] == [2, 2]
    assert done.stderr == golden


def test_a_pipe_in_a_folder_is_passed_over_and_one_that_is_named_is_read(dry_run, folder, golden):
    os.mkfifo(folder / "pipe")

    done = dry_run("logs")

    assert done.returncode == 0
    assert done.stderr == golden


@pytest.mark.parametrize("size", [235, 242, 248])
def test_a_long_name_leaves_room_for_rejects_and_report(run, tmp_path, size):
    history = write_rows(tmp_path / ("x" * size + ".jsonl"), [row(1), row(2, type="no")])
    report = tmp_path / ("r" * 250)

    done = run(history, "--sandbox", "--report", report, "--rejects", tmp_path / "rejects")

    assert done.returncode == 1
    assert json.loads(report.read_text())["totals"]["rejected"] == 1


def test_the_last_row_of_a_growing_file_waits_and_is_told(dry_run, folder, golden):
    (folder / "a.jsonl").write_text(text_of(1, 2))

    done = dry_run("logs", "--growing")
    report = json.loads(dry_run("logs", "--growing", "--json").stdout)

    assert done.returncode == 0
    assert counts_in(done.stdout)[:2] == [1, 1]
    assert done.stdout == golden
    assert report["sources"][0]["waiting"]["bytes"] == len(text_of(2))


def test_a_first_row_that_waits_is_told_too(dry_run, folder, golden):
    (folder / "a.jsonl").write_text(text_of(1))

    done = dry_run("logs", "--growing")

    assert counts_in(done.stdout)[:1] == [0]
    assert done.stdout == golden


def test_the_last_row_of_a_file_that_is_left_alone_is_read(dry_run, folder, golden):
    (folder / "a.jsonl").write_text(text_of(1, 2))
    written = (folder / "a.jsonl").stat().st_mtime - HOUR
    os.utime(folder / "a.jsonl", (written, written))

    settled = dry_run("logs", "--growing")
    waiting = dry_run("logs", "--growing", "--settle-after", "7200")

    assert counts_in(settled.stdout)[:2] == [2, 2]
    assert settled.stdout == golden
    assert counts_in(waiting.stdout)[:2] == [1, 1]


@pytest.mark.parametrize(("newer", "rows"), [("", 1), (text_of(3) + "\n", 3)])
def test_the_last_row_of_a_rotated_log_is_read_once_a_newer_one_has_rows(
    dry_run, tmp_path, newer, rows
):
    (tmp_path / "log.1").write_text(text_of(1, 2))
    written = (tmp_path / "log.1").stat().st_mtime - MINUTE
    os.utime(tmp_path / "log.1", (written, written))
    (tmp_path / "log").write_text(newer)

    done = dry_run("log*", "--growing", "--format", "jsonl")

    assert counts_in(done.stdout)[0] == rows


@pytest.mark.parametrize("command", [(), ("preview",)], ids=["upload", "preview"])
def test_a_mapping_file_that_is_a_pipe_is_read_once(run, tmp_path, command):
    write_rows(tmp_path / "h.jsonl", [row(1, type=None, kind="like")])
    mapping = '[options]\nbot_rate = 5\n[attributes]\ntype = "kind"\n'
    dry = () if command else ("--dry-run",)

    done = run(*command, "h.jsonl", "-m", "/dev/stdin", *dry, cwd=tmp_path, input=mapping)

    assert done.returncode == 0
    assert "like" in done.stdout
    assert "rejected because" not in done.stdout
