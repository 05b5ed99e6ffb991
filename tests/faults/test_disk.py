"""No room for the ledger, the rejects or the report; a place that cannot be written."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys

import pytest

from tests.helpers.crashes import BAD
from tests.helpers.rows import last_line

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")


class Disk:
    """A small disk."""

    def __init__(self, place):
        self.place = place
        self.filler = place / "filler"

    def leave(self, kib):
        """Fill it, but for so many KiB."""
        with self.filler.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4_096) == 4_096:
                    pass
            except OSError:
                pass
            file.truncate(file.tell() // 4_096 * 4_096 - kib * 1_024)

    def empty(self):
        """Make room."""
        self.filler.unlink()


@pytest.fixture
def disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    options = ["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(["mount", *options], capture_output=True, check=False)
    except OSError:
        pytest.skip("there is no mount here")
    if mounted.returncode:
        pytest.skip("this user may not mount a small disk")
    yield Disk(place)
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_is_reported_before_anything_is_sent(case, disk, sandbox, golden):
    case.state = disk.place / "state"
    disk.leave(0)

    done = case.upload()

    assert done.code == 3
    assert last_line(done.err) == golden
    assert sandbox.counts()["requests"] == 0
    disk.empty()
    assert case.upload().code == 1
    case.must_be_whole()


def assert_it_is_told(done):
    """The last line is a message of the program's, and not the place of an internal error."""
    told = done.err.splitlines()[-1]
    assert told.startswith("miso-upload: "), done
    assert ".py:" not in told, done


def test_the_disk_of_the_ledger_may_fill_at_any_time(cases, disk):
    """However little room there is, what was sent is known, and the next run goes on."""
    ends = []
    for kib, case in zip(range(0, 400, 16), cases, strict=False):
        case.state = disk.place / case.name
        disk.leave(kib)

        done = case.upload()

        disk.empty()
        ends.append(done.code)
        if done.code == 3:
            assert_it_is_told(done)
        assert case.upload().code in (0, 1)
        case.must_be_whole()
        for path in case.state.iterdir():
            path.unlink()
        if done.code == 1:
            break

    assert ends[-1] == 1
    assert len(ends) > 5
    assert set(ends) == {1, 3}


def test_a_file_size_limit_loses_nothing(cases):
    """The same for everybody: a quota that is met somewhere in the ledger, or in its log."""
    ends = []
    for most, case in zip(range(0, 400_000, 16_384), cases, strict=False):
        done = case.upload(most_bytes=most)

        ends.append(done.code)
        if done.code == 3 and case.arrived():
            assert_it_is_told(done)
        assert case.upload().code in (0, 1)
        case.must_be_whole()
        if done.code == 1:
            break

    assert ends[-1] == 1
    assert 3 in ends


def test_a_full_disk_for_rejects_stops_the_run_and_keeps_what_miso_accepted(case, golden):
    done = case.upload("--rejects", "/dev/full")

    assert done.code == 3
    # Whether a request is in flight at that time is left to chance.
    assert [line for line in done.err.splitlines() if not line.startswith("stopping:")] == golden
    case.upload()
    lines = case.run("rejects", "history.jsonl").out.splitlines()
    assert [int(json.loads(each)["row"]["user_id"][5:]) for each in lines] == list(BAD)
    assert case.status()["duplicates"] == 0
    assert max(case.arrived().values()) == 1


def test_a_full_disk_leaves_no_partial_line_in_the_rejects_file(case, disk):
    rejects = disk.place / "rejects.jsonl"
    rejects.write_text('"a line of somebody else"\n')
    with rejects.open("ab") as file:
        file.write(b" " * (4_096 - file.tell() - 50) + b"\n")
    before = rejects.read_bytes()
    disk.leave(0)

    done = case.upload("--rejects", rejects)

    assert done.code == 3
    assert rejects.read_bytes() == before


def test_a_full_disk_keeps_the_previous_report(case, disk, golden):
    report = disk.place / "report.json"
    report.write_text('"the one before"')
    disk.leave(0)

    done = case.upload("--report", report)

    assert done.code == 3
    assert last_line(done.err) == golden
    assert report.read_text() == '"the one before"'
    assert sorted(path.name for path in disk.place.iterdir()) == ["filler", "report.json"]
    case.must_be_whole()
    disk.empty()
    assert case.upload("--report", report).code == 0
    assert json.loads(report.read_text())["totals"]["rejected"] == len(BAD)


def test_a_report_may_be_written_to_a_device(case, golden):
    done = case.upload("--report", "/dev/full")

    assert done.code == 3
    assert last_line(done.err) == golden
    case.must_be_whole()


def test_a_read_only_disk_is_reported_before_anything_is_sent(case, disk, sandbox, golden):
    case.state = disk.place / "state"
    subprocess.run(["mount", "-o", "remount,ro", str(disk.place)], check=True)

    done = case.upload()

    assert done.code == 3
    assert last_line(done.err) == golden
    assert "--state-dir" in done.err
    assert sandbox.counts()["requests"] == 0
    subprocess.run(["mount", "-o", "remount,rw", str(disk.place)], check=True)
    assert case.upload().code == 1
    case.must_be_whole()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do it all")
def test_an_inaccessible_state_directory_is_reported_before_anything_is_sent(case, sandbox):
    case.state.mkdir(mode=0o500)

    done = case.upload()

    assert done.code == 3
    assert os.strerror(errno.EACCES) in done.err
    assert "--state-dir" in done.err
    assert sandbox.counts()["requests"] == 0
    case.state.chmod(0o700)
    assert case.upload().code == 1
    case.must_be_whole()


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_files_are_private_with_any_umask(umask, case):
    prelude = f"os.umask({umask})"

    died = case.upload(
        "--report", "report.json", prelude=prelude,
        step="miso_upload.ledger:Ledger.settle", count=2, moment="after",
    )  # fmt: skip

    assert died.code < 0
    # While a run is at work, there are the log and the index of the ledger too.
    made = {path.suffix for path in case.state.iterdir()}
    assert made == {".key", ".ledger", ".ledger-wal", ".ledger-shm", ".lock"}
    case.must_be_private()
    case.upload("--report", "report.json", prelude=prelude)
    case.must_be_private()
    assert (case.state.stat().st_mode & 0o777) == 0o700


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_the_sandbox_store_is_private_and_deleted_afterward(umask, case):
    spare = case.place / "tmp"
    spare.mkdir()
    look = (
        f"made = [p for p in Path({str(spare)!r}).rglob('*')]; assert len(made) > 1; "
        "assert all(not p.stat().st_mode & 0o077 for p in made), made"
    )

    done = case.run(
        "history.jsonl", "--sandbox", "--max-reject-rate", 1,
        prelude=f"import tempfile; tempfile.tempdir = {str(spare)!r}; os.umask({umask})",
        step="miso_upload.pipeline.loop:Pipeline._settle", count=1, moment="meddle", script=look,
    )  # fmt: skip

    assert done.code == 1, done.err
    assert list(spare.iterdir()) == []
