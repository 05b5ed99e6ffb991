"""`remember` and `forget` as a user runs them: in processes of their own, at a terminal or not."""

from __future__ import annotations

import json
import os
import re
import sys

import pytest

from miso_upload.ledger.lock import Locked
from miso_upload.sandbox import Faults
from tests.cli.conftest import KEY
from tests.helpers.old_ledgers import write_old_ledger
from tests.helpers.rows import counts_in, row, write_rows

pty = pytest.importorskip("pty")


@pytest.fixture
def program(run, sandbox, monkeypatch):
    """Run the program against the mock server, without a terminal."""
    monkeypatch.setenv("MISO_API_KEY", KEY)
    monkeypatch.setenv("MISO_UPLOAD_SERVER", sandbox.url)

    def run_program(*args, **options):
        done = run(*args, **{"input": "", **options})
        assert KEY not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run_program


@pytest.fixture
def history(tmp_path):
    """Nine good rows and a bad one, in line 10."""
    rows = [*map(row, range(1, 10)), row(10, type="x")]
    return write_rows(tmp_path / "history.jsonl", rows)


def at_terminal(answer, *args):
    """Run the program at a terminal, type an answer, and return its exit code and all it shows."""
    pid, screen = pty.fork()
    if not pid:
        os.execv(sys.executable, [sys.executable, "-m", "miso_upload", *map(str, args)])
    shown = b""
    try:
        while not shown.endswith(b": "):  # as a prompt does
            shown += os.read(screen, 4_096)
        os.write(screen, f"{answer}\n".encode())
        while more := os.read(screen, 4_096):
            shown += more
    except OSError:
        pass  # the program has ended, and nobody is at the other end
    _, status = os.waitpid(pid, 0)
    os.close(screen)
    return os.waitstatus_to_exitcode(status), without_progress(shown.decode())


def without_progress(screen):
    """Return the lines of a screen that hold neither the progress bar nor nothing."""
    lines = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", screen).replace("\r", "\n").splitlines()
    return "\n".join(line for line in lines if line.strip() and "━" not in line)


def sent(sandbox):
    return sorted(record["user_id"] for record in sandbox.records())


# -- remember --------------------------------------------------------------------------------------


def test_records_that_are_remembered_are_not_sent(program, history, sandbox, golden):
    noted = program("remember", history, "--yes")
    uploaded = program(history)

    assert noted.returncode == 1
    assert counts_in(noted.stdout)[:4] == [10, 0, 9, 1]
    assert noted.stdout == golden
    assert uploaded.stdout == golden
    assert sandbox.counts()["requests"] == 0


def test_a_rejected_row_is_not_remembered_and_its_correction_is_sent(program, history, sandbox):
    program("remember", history, "--yes")
    history.write_text(history.read_text().replace('"type": "x"', '"type": "like"'))

    done = program(history)

    assert done.returncode == 0
    assert counts_in(done.stdout)[:4] == [10, 1, 9, 0]
    assert sent(sandbox) == ["user-10"]


def test_an_export_that_overlaps_with_a_remembered_one_sends_the_rest(
    program, history, tmp_path, sandbox
):
    program("remember", history, "--yes")

    program(write_rows(tmp_path / "next.jsonl", map(row, range(5, 12))))

    assert sent(sandbox) == ["user-10", "user-11"]


def test_remembering_a_second_time_notes_nothing_new(program, history, golden):
    program("remember", history, "--yes")

    again = program("remember", history, "--yes")

    assert again.returncode == 0
    assert again.stdout == golden


def test_without_a_terminal_nothing_is_noted_unless_it_is_said(program, history, sandbox, golden):
    done = program("remember", history)

    assert done.returncode == 2
    assert counts_in(done.stdout)[:3] == [10, 9, 1]
    assert done.stdout == golden
    assert done.stderr == golden
    program(history)
    assert len(sent(sandbox)) == 9


@pytest.mark.parametrize("answer", ["yes", "y", "YES"])
def test_at_a_terminal_it_asks_and_notes(program, history, sandbox, answer, golden):
    code, shown = at_terminal(answer, "remember", history, "--new-target", "shop")

    assert code == 1
    assert shown == golden
    assert KEY not in shown
    program(history)
    assert sandbox.counts()["requests"] == 0


@pytest.mark.parametrize("answer", ["no", "", "later"])
def test_any_other_answer_notes_nothing(program, history, sandbox, answer, golden):
    code, shown = at_terminal(answer, "remember", history)

    assert code == 0
    assert shown == golden
    program(history)
    assert len(sent(sandbox)) == 9


def test_a_known_target_is_enough_without_a_key(
    program, history, tmp_path, sandbox, monkeypatch, golden
):
    program(history, "--new-target", "shop")
    other = write_rows(tmp_path / "other.jsonl", map(row, range(20, 25)))
    monkeypatch.delenv("MISO_API_KEY")

    done = program("remember", other, "--target", "shop", "--yes")

    monkeypatch.setenv("MISO_API_KEY", KEY)
    assert done.returncode == 0
    assert done.stdout == golden
    assert program(other).stdout == golden


@pytest.mark.parametrize(
    ("args", "key"),
    [
        ((), None),
        (("--target", "shpo"), None),
        ((), "other"),
        (("--target", "shop"), "other"),
    ],
)
def test_a_target_that_cannot_be_meant_is_refused_before_anything_is_read(
    program, history, monkeypatch, args, key, golden
):
    program(history, "--new-target", "shop")
    monkeypatch.delenv("MISO_API_KEY")
    if key:
        monkeypatch.setenv("MISO_API_KEY", key)

    done = program("remember", history, *args)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == golden


def test_standard_input_is_noted_only_unasked(program, history, sandbox, golden):
    asked = program("remember", "-", input=history.read_text())
    noted = program("remember", "-", "--yes", "--rejects", os.devnull, input=history.read_text())

    assert asked.returncode == 2
    assert asked.stderr == golden
    assert noted.stdout == golden
    program(history)
    assert sandbox.counts()["requests"] == 0


def test_a_file_that_is_not_there_is_exit_code_2(program, tmp_path, golden):
    done = program("remember", tmp_path / "nowhere.jsonl")

    assert done.returncode == 2
    assert done.stderr == golden


def test_a_file_without_a_valid_row_has_nothing_to_note(program, tmp_path, golden):
    done = program("remember", write_rows(tmp_path / "h.jsonl", [row(1, type="x")]))

    assert done.returncode == 1
    assert done.stdout == golden


def test_rows_that_were_sent_under_another_mapping_are_noted_as_they_come_out_now(
    program, history, sandbox, golden
):
    program(history)

    noted = program("remember", history, "--set", "context.region=eu", "--yes")
    again = program(history, "--set", "context.region=eu")

    assert noted.stdout == golden
    assert again.returncode in (0, 1)
    assert len(sent(sandbox)) == 9


def test_a_source_of_version_0_1_that_nothing_proves_is_noted(
    program, history, tmp_path, sandbox, golden
):
    program(history, "--new-target", "shop")
    ledger = next((tmp_path / "state").glob("*.ledger"))
    about = {"server": sandbox.url, "target": "shop"}
    ledger.unlink()
    old = [(str(history), history.read_bytes(), [(10, {})])]
    write_old_ledger(ledger, old, about=about)
    history.write_text(history.read_text().replace("sku-3", "sku-33"))

    unproven = program(history, "--target", "shop")
    noted = program("remember", history, "--target", "shop", "--yes")
    after = program(history, "--target", "shop")

    assert unproven.returncode == 2
    assert unproven.stderr == golden
    assert noted.stdout == golden
    assert after.stdout == golden
    assert len(sent(sandbox)) == 9


def test_nothing_is_noted_while_a_run_is_at_work(program, history, tmp_path, sandbox):
    program(write_rows(tmp_path / "other.jsonl", [row(50)]))
    ledger = next((tmp_path / "state").glob("*.ledger"))

    with Locked(ledger):
        done = program("remember", history, "--yes")

    assert done.returncode == 5
    program(history)
    assert len(sent(sandbox)) == 10


def test_what_is_held_is_noted_too(program, history, sandbox, golden):
    sandbox.faults = Faults(script=("drop-after",))
    program(history, "--on-unknown", "hold")

    noted = program("remember", history, "--yes")
    after = program(history, "--on-unknown", "hold")

    assert noted.stdout == golden
    assert after.stdout == golden
    assert len(sent(sandbox)) == 9


def test_options_of_an_upload_in_a_mapping_file_are_taken(program, history, tmp_path, golden):
    mapping = tmp_path / "shop.toml"
    mapping.write_text("[options]\nconcurrency = 2\nrestart = true\n[attributes]\n")

    noted = program("remember", history, "-m", mapping, "--yes")

    assert noted.stdout == golden


# -- forget ----------------------------------------------------------------------------------------


def test_what_is_forgotten_is_sent_again(program, history, sandbox, golden):
    program("remember", history, "--yes")

    done = program("forget", history, "--yes")

    assert done.returncode == 0
    assert done.stdout == golden
    program(history)
    assert len(sent(sandbox)) == 9


def test_the_accepted_total_does_not_fall_when_a_source_is_forgotten(program, history, golden):
    program(history)
    program("forget", history, "--yes")

    shown = program("status")

    assert "history.jsonl" not in shown.stdout
    assert shown.stdout == golden


def test_other_sources_keep_what_they_have(program, history, tmp_path, sandbox):
    program(history)
    copy = write_rows(tmp_path / "copy.jsonl", map(row, range(1, 12)))
    program(copy)
    program("forget", copy, "--yes")

    program(copy)

    assert sent(sandbox) == sorted([f"user-{n}" for n in range(1, 12)] + ["user-10", "user-11"])


def test_without_a_terminal_nothing_is_forgotten_unless_it_is_said(
    program, history, sandbox, golden
):
    program(history)

    done = program("forget", history)

    assert done.returncode == 2
    assert done.stderr == golden
    assert program(history).stdout == golden


@pytest.mark.parametrize(("answer", "is_forgotten"), [("yes", True), ("no", False)])
def test_at_a_terminal_it_asks_and_forgets(program, history, answer, is_forgotten, golden):
    program(history)

    code, shown = at_terminal(answer, "forget", history)

    assert code == 0
    assert shown == golden
    assert bool(json.loads(program("status", "--json").stdout)) != is_forgotten


def test_a_file_that_is_gone_is_forgotten_by_its_name(program, history, golden):
    program(history)
    history.unlink()

    assert program("forget", history, "--yes").stdout == golden


def test_a_source_of_version_0_1_is_forgotten(program, history, tmp_path, sandbox, golden):
    ledger = tmp_path / "state" / "old.ledger"
    about = {"server": sandbox.url, "target": "shop"}
    write_old_ledger(ledger, [(str(history), history.read_bytes(), [(10, {})])], about=about)

    done = program("forget", history, "--yes")
    program(history, "--target", "shop")

    assert done.stdout == golden
    assert len(sent(sandbox)) == 9


def test_one_unknown_name_forgets_nothing(program, history, tmp_path, golden):
    program(history)

    done = program("forget", history, tmp_path / "nowhere.jsonl", "--yes")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == golden
    assert program(history).stdout == golden


def test_only_the_named_target_forgets(program, history, sandbox, golden):
    program(history, "--new-target", "shop")

    done = program("forget", history, "--target", "shpo", "--yes")

    assert done.returncode == 2
    assert done.stderr == golden
    assert program("forget", history, "--target", "shop", "--yes").returncode == 0


def test_nothing_is_forgotten_while_a_run_is_at_work(program, history, tmp_path, golden):
    program(history)
    ledger = next((tmp_path / "state").glob("*.ledger"))

    with Locked(ledger):
        done = program("forget", history, "--yes")

    assert done.returncode == 5
    assert done.stderr == golden
    assert program(history).stdout == golden


# -- status ----------------------------------------------------------------------------------------


def test_status_shows_what_was_already_sent_and_all_that_a_target_has(
    program, history, tmp_path, golden
):
    program(history)
    later = write_rows(tmp_path / "later.jsonl", map(row, range(6, 16)))
    program(later)

    text = program("status").stdout
    told = json.loads(program("status", later, "--json").stdout)

    assert text == golden
    (source,) = told
    assert (source["totals"]["rows"], source["totals"]["accepted"]) == (10, 6)
    assert (source["totals"]["already_sent"], source["accepted_at_target"]) == (4, 15)


def test_status_of_a_ledger_of_version_0_1_brings_it_up_to_date(program, history, tmp_path, golden):
    ledger = tmp_path / "state" / "old.ledger"
    about = {"server": "https://miso.test", "target": "shop"}
    write_old_ledger(ledger, [(str(history), history.read_bytes(), [(10, {})])], about=about)

    with Locked(ledger):
        locked = program("status")
    done = program("status")

    assert locked.returncode == 5
    assert done.stdout == golden
    assert ledger.with_name("old.ledger.v1").exists()


def test_a_file_of_which_nothing_is_known_has_no_status(program, tmp_path, golden):
    new = write_rows(tmp_path / "new.jsonl", [row(1)])

    done = program("status", new)

    assert done.returncode == 0
    assert done.stdout == golden
