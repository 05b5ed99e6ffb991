"""A file that a run would both read and write, or write for two purposes, is refused."""

from __future__ import annotations

import os
import stat
import sys

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.cli.commands import program
from miso_upload.errors import ConfigurationError
from miso_upload.pipeline.file_conflicts import FileUse, refuse_shared_files
from miso_upload.values import file_identity
from miso_upload.values.file_identity import identity_of
from tests.helpers.rows import row, write_rows

SERVER = ("--server", "http://127.0.0.1:9", "--max-attempts", "1")
CASES = {
    "report over input": ("h.jsonl", "--report", "h.jsonl"),
    "rejects over input": ("h.jsonl", "--rejects", "h.jsonl"),
    "report over mapping": ("h.jsonl", "-m", "m.toml", "--report", "m.toml"),
    "report over key": ("h.jsonl", "--api-key-file", "key", "--report", "key"),
    "rejects over key": ("h.jsonl", "--api-key-file", "key", "--rejects", "key"),
    "report over salt": ("h.jsonl", "--anonymous-id-salt-file", "key", "--report", "key"),
    "report over schema": ("h.jsonl", "--schema", "s.json", "--report", "s.json"),
    "report over transform": ("h.jsonl", "--transform", "t.py", "--report", "t.py"),
    "report over rejects": ("h.jsonl", "--rejects", "new", "--report", "new"),
    "report over default rejects": ("h.jsonl", "--report", "h.jsonl.rejects.jsonl"),
    "report over ledger": ("h.jsonl", "--report", "state/known.ledger"),
    "rejects over write-ahead log": ("h.jsonl", "--rejects", "state/known.ledger-wal"),
    "ledger as input": ("state/known.ledger", "--format", "jsonl"),
    "report over one of several inputs": ("g.jsonl", "h.jsonl", "--report", "h.jsonl"),
    "rejects to another name of an input": ("h.jsonl", "--rejects", "./x/../h.jsonl"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A directory with one file for each role."""
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "h.jsonl", [row(1), row(2)])
    write_rows(tmp_path / "g.jsonl", [row(3)])
    (tmp_path / "m.toml").write_text('[attributes]\nuser_id = "user_id"\n')
    (tmp_path / "key").write_text("a-key\n")
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "s.json").write_text("{}")
    (tmp_path / "t.py").write_text("def transform(row):\n    return row\n")
    for name in ("x", "state"):
        (tmp_path / name).mkdir()
    for name in ("known.ledger", "known.ledger-wal"):
        (tmp_path / "state" / name).write_bytes(b"{}\n")
    return tmp_path


def contents(folder):
    """Return all files but the index that SQLite makes to read a write-ahead log."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in paths if not path.name.endswith("-shm")}


def invoke(*args, key="k"):
    return CliRunner().invoke(program, args, env={"MISO_API_KEY": key})


@pytest.mark.parametrize("args", CASES.values(), ids=CASES)
def test_two_uses_of_one_file_are_refused_and_nothing_is_changed(args, folder, run, golden):
    before = contents(folder)

    done = run(*args, *SERVER, cwd=folder, env={**os.environ, "MISO_API_KEY": "k"})

    assert done.returncode == 2, done
    assert done.stderr == golden
    assert contents(folder) == before


def test_the_message_names_both_roles_the_path_and_a_remedy(folder, golden):
    done = invoke("h.jsonl", "--report", "h.jsonl", "--dry-run")

    assert done.stderr == golden


def test_corrected_rejects_that_would_be_overwritten_are_told_where_to_go(folder, golden):
    write_rows(folder / "bad.jsonl", [row(7)])

    done = invoke("bad.jsonl", "--rejects", "bad.jsonl", *SERVER)

    assert done.exit_code == 2
    assert done.stderr == golden


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_is_the_file_that_it_leads_to(link, folder, golden):
    link(folder / "h.jsonl", folder / "report.json")

    done = invoke("h.jsonl", "--report", "report.json", "--dry-run")

    assert done.exit_code == 2
    assert done.stderr == golden


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_to_a_file_that_is_still_to_be_made_is_that_file(folder):
    (folder / "link").symlink_to(folder / "new.json")

    done = invoke("h.jsonl", "--report", "link", "--rejects", "new.json", "--dry-run")

    assert done.exit_code == 2


def test_names_that_differ_in_case_are_one_file_where_case_is_ignored(folder, monkeypatch):
    args = ("h.jsonl", "--report", "Out.json", "--rejects", "out.json", "--dry-run")
    monkeypatch.setattr(file_identity, "ignores_case", lambda _: True)

    assert invoke(*args).exit_code == 2

    monkeypatch.setattr(file_identity, "ignores_case", lambda _: False)
    assert invoke(*args).exit_code == 0


def test_a_file_system_that_numbers_no_files_is_compared_by_path(folder, monkeypatch):
    whole = file_identity.Path.stat

    def without_numbers(path, **options):
        fields = list(whole(path, **options))
        fields[1] = 0
        return os.stat_result(fields)

    monkeypatch.setattr(file_identity.Path, "stat", without_numbers)

    assert identity_of("h.jsonl") == identity_of("x/../h.jsonl")
    assert identity_of("h.jsonl") != identity_of("g.jsonl")
    assert identity_of("new") != identity_of("x/new")


def test_standard_input_that_is_a_file_is_that_file(folder, run, golden):
    with (folder / "h.jsonl").open("rb") as history:
        done = run("-", "--format", "jsonl", "--dry-run", "--report", "h.jsonl", stdin=history)

    assert done.returncode == 2
    assert done.stderr == golden


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such devices")
@pytest.mark.parametrize("device", ["/dev/null", "/dev/stdout", "/dev/stderr"])
def test_devices_are_shared_by_anybody(device, folder, run):
    done = run("h.jsonl", "--dry-run", "--report", device, "--rejects", device)

    assert done.returncode == 0, done
    assert ('"report_version"' in done.stdout + done.stderr) is (device != "/dev/null")


def test_two_readers_of_one_file_are_no_conflict(folder):
    done = invoke("h.jsonl", "h.jsonl", "--schema", "s.json", "--dry-run")

    assert "--" not in done.stderr


def test_several_inputs_share_one_rejects_file(folder):
    done = invoke("h.jsonl", "g.jsonl", "--rejects", "all.jsonl", "--dry-run")

    assert done.exit_code == 0


def test_files_of_the_run_that_a_pattern_matches_are_left_out(folder, golden):
    (folder / "report.jsonl").write_text("{}")
    (folder / "g.jsonl").unlink()
    os.link(folder / "report.jsonl", folder / "g.jsonl")

    done = invoke("*.jsonl", "--report", "report.jsonl", "--dry-run")

    assert done.exit_code == 0, done.stderr
    assert done.stderr == golden


def test_rejects_files_that_the_shell_lists_are_still_left_out(folder, golden):
    write_rows(folder / "h.jsonl.rejects.jsonl", [row(1)])

    done = invoke("h.jsonl", "h.jsonl.rejects.jsonl", *SERVER)

    assert done.stderr == golden
    assert done.exit_code == 3


def test_init_does_not_overwrite_the_file_that_it_reads(folder, golden):
    before = contents(folder)

    done = invoke("init", "h.jsonl", "-o", "./x/../h.jsonl", "--force")

    assert done.exit_code == 2
    assert done.stderr == golden
    assert contents(folder) == before


def test_the_sandbox_does_not_store_records_in_its_schema(folder):
    done = invoke("sandbox", "--port", "0", "--store", "s.json", "--schema", "s.json")

    assert done.exit_code == 2
    assert (folder / "s.json").read_text() == "{}"


@pytest.mark.skipif(sys.platform == "win32", reason="modes are those of POSIX")
@pytest.mark.parametrize("mode", [0o644, 0o600, 0o664])
def test_a_report_keeps_the_mode_of_the_file_that_it_replaces(mode, folder):
    (folder / "report.json").touch()
    (folder / "report.json").chmod(mode)

    invoke("h.jsonl", "--report", "report.json", "--dry-run")
    invoke("h.jsonl", "--report", "new.json", "--dry-run")

    assert stat.S_IMODE((folder / "report.json").stat().st_mode) == mode
    assert (folder / "report.json").stat().st_size > 0
    assert stat.S_IMODE((folder / "new.json").stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are as POSIX has them")
def test_standard_input_cannot_be_both_the_mapping_file_and_an_input(run, folder, golden):
    done = run("-", "-m", "/dev/stdin", "--dry-run", cwd=folder, input="[attributes]\n")

    assert done.returncode == 2
    assert done.stderr == golden


names = st.sampled_from(["a", "b", "x/a", "x/../a", "./b", "link", "new", "x/../new"])


@given(st.lists(st.tuples(names, st.booleans()), min_size=2, max_size=5))
def test_a_conflict_is_found_in_any_order_and_where_there_is_none_nothing_is(drawn):
    uses = [FileUse(f"use {i}", name, written) for i, (name, written) in enumerate(drawn)]
    shared = any(
        identity_of(one.path) == identity_of(other.path) and (one.written or other.written)
        for i, one in enumerate(uses)
        for other in uses[:i]
    )

    try:
        refuse_shared_files(uses)
    except ConfigurationError:
        assert shared
    else:
        assert not shared
