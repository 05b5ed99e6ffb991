"""`remember` and `forget` as a user runs them: in processes of their own, at a terminal or not."""

from __future__ import annotations

import json
import os
import sys

import pytest
from conftest import row, write_rows
from old_ledgers import write_old_ledger

from miso_upload.ledger.lock import Locked
from miso_upload.sandbox import Faults, Sandbox

pty = pytest.importorskip("pty")
KEY = "key-that-must-not-be-seen"


@pytest.fixture
def sandbox():
    with Sandbox(key=KEY) as running:
        yield running


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
        while b"(yes/no)" not in shown:
            shown += os.read(screen, 4_096)
        os.write(screen, f"{answer}\n".encode())
        while more := os.read(screen, 4_096):
            shown += more
    except OSError:
        pass  # the program has ended, and nobody is at the other end
    _, status = os.waitpid(pid, 0)
    os.close(screen)
    return os.waitstatus_to_exitcode(status), shown.decode()


def sent(sandbox):
    return sorted(record["user_id"] for record in sandbox.records())


# -- remember --------------------------------------------------------------------------------------


def test_records_that_are_remembered_are_not_sent(program, history, sandbox):
    noted = program("remember", history, "--yes")
    uploaded = program(history)

    assert noted.returncode == 1
    assert "10 rows read = 0 accepted + 9 already sent + 1 rejected" in noted.stdout
    assert "9 records were noted as sent; nothing was sent" in noted.stdout
    assert "nothing new" in uploaded.stdout
    assert sandbox.counts()["requests"] == 0


def test_a_rejected_row_is_not_remembered_and_its_correction_is_sent(program, history, sandbox):
    program("remember", history, "--yes")
    history.write_text(history.read_text().replace('"type": "x"', '"type": "like"'))

    done = program(history)

    assert done.returncode == 0
    assert "10 rows read = 1 accepted + 9 already sent + 0 rejected" in done.stdout
    assert sent(sandbox) == ["user-10"]


def test_an_export_that_overlaps_with_a_remembered_one_sends_the_rest(
    program, history, tmp_path, sandbox
):
    program("remember", history, "--yes")

    program(write_rows(tmp_path / "next.jsonl", map(row, range(5, 12))))

    assert sent(sandbox) == ["user-10", "user-11"]


def test_remembering_a_second_time_notes_nothing_new(program, history):
    program("remember", history, "--yes")

    again = program("remember", history, "--yes")

    assert again.returncode == 0
    assert "nothing new was noted, and nothing was sent" in again.stdout


def test_without_a_terminal_nothing_is_noted_unless_it_is_said(program, history, sandbox):
    done = program("remember", history)

    assert done.returncode == 2
    assert "10 rows read = 9 valid + 1 rejected" in done.stdout
    assert "9 records would be noted as sent" in done.stdout
    assert "nothing was noted, because there is no terminal to ask at. Add --yes" in done.stderr
    program(history)
    assert len(sent(sandbox)) == 9


@pytest.mark.parametrize("answer", ["yes", "y", "YES"])
def test_at_a_terminal_it_asks_and_notes(program, history, sandbox, answer):
    code, shown = at_terminal(answer, "remember", history, "--new-target", "shop")

    assert code == 1
    assert "Note 9 records as sent to shop at localhost:" in shown
    assert "without sending anything? (yes/no)" in shown
    assert "9 records were noted as sent" in shown
    assert KEY not in shown
    program(history)
    assert sandbox.counts()["requests"] == 0


@pytest.mark.parametrize("answer", ["no", "", "later"])
def test_any_other_answer_notes_nothing(program, history, sandbox, answer):
    code, shown = at_terminal(answer, "remember", history)

    assert code == 0
    assert "Nothing was noted." in shown
    program(history)
    assert len(sent(sandbox)) == 9


def test_a_known_target_is_enough_without_a_key(program, history, tmp_path, sandbox, monkeypatch):
    program(history, "--new-target", "shop")
    other = write_rows(tmp_path / "other.jsonl", map(row, range(20, 25)))
    monkeypatch.delenv("MISO_API_KEY")

    done = program("remember", other, "--target", "shop", "--yes")

    monkeypatch.setenv("MISO_API_KEY", KEY)
    assert done.returncode == 0
    assert "5 records were noted as sent" in done.stdout
    assert "Miso has accepted 9 rows in all at this target" in done.stdout
    assert "nothing new" in program(other).stdout


@pytest.mark.parametrize(
    ("args", "key", "message"),
    [
        ((), None, "nothing says which target has the records: name a known one with --target"),
        (("--target", "shpo"), None, "--target shpo: there is no such target"),
        ((), "other", "this key is new at"),
        (("--target", "shop"), "other", "--target shop: shop at"),
    ],
)
def test_a_target_that_cannot_be_meant_is_refused_before_anything_is_read(
    program, history, monkeypatch, args, key, message
):
    program(history, "--new-target", "shop")
    monkeypatch.delenv("MISO_API_KEY")
    if key:
        monkeypatch.setenv("MISO_API_KEY", key)

    done = program("remember", history, *args)

    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_standard_input_is_noted_only_unasked(program, history, sandbox):
    asked = program("remember", "-", input=history.read_text())
    noted = program("remember", "-", "--yes", "--rejects", os.devnull, input=history.read_text())

    assert asked.returncode == 2
    assert "-: can be read only once" in asked.stderr
    assert "9 records were noted as sent" in noted.stdout
    program(history)
    assert sandbox.counts()["requests"] == 0


def test_a_file_that_is_not_there_is_exit_code_2(program, tmp_path):
    done = program("remember", tmp_path / "nowhere.jsonl")

    assert done.returncode == 2
    assert "no such file" in done.stderr


def test_a_file_without_a_valid_row_has_nothing_to_note(program, tmp_path):
    done = program("remember", write_rows(tmp_path / "h.jsonl", [row(1, type="x")]))

    assert done.returncode == 1
    assert "There is nothing to note." in done.stdout


def test_rows_that_were_sent_under_another_mapping_are_noted_as_they_come_out_now(
    program, history, sandbox
):
    program(history)

    noted = program("remember", history, "--set", "context.region=eu", "--yes")
    again = program(history, "--set", "context.region=eu")

    assert "9 records were noted as sent" in noted.stdout
    assert again.returncode in (0, 1)
    assert len(sent(sandbox)) == 9


def test_a_source_of_version_0_1_that_nothing_proves_is_noted(program, history, tmp_path, sandbox):
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
    assert "'miso-upload remember FILE'" in unproven.stderr
    assert "9 records were noted as sent" in noted.stdout
    assert "Miso has accepted 10 rows in all at this target" in noted.stdout
    assert "nothing new" in after.stdout
    assert len(sent(sandbox)) == 9


def test_nothing_is_noted_while_a_run_is_at_work(program, history, tmp_path, sandbox):
    program(write_rows(tmp_path / "other.jsonl", [row(50)]))
    ledger = next((tmp_path / "state").glob("*.ledger"))

    with Locked(ledger):
        done = program("remember", history, "--yes")

    assert done.returncode == 5
    program(history)
    assert len(sent(sandbox)) == 10


def test_what_is_held_is_noted_too(program, history, sandbox):
    sandbox.faults = Faults(script=("drop-after",))
    program(history, "--on-unknown", "hold")

    noted = program("remember", history, "--yes")
    after = program(history, "--on-unknown", "hold")

    assert "9 already sent + 1 rejected + 0 skipped + 0 unknown + 0 pending" in noted.stdout
    assert "nothing new" in after.stdout
    assert len(sent(sandbox)) == 9


def test_options_of_an_upload_in_a_mapping_file_are_taken(program, history, tmp_path):
    mapping = tmp_path / "shop.toml"
    mapping.write_text("[options]\nconcurrency = 2\nrestart = true\n[attributes]\n")

    noted = program("remember", history, "-m", mapping, "--yes")

    assert "9 records were noted as sent" in noted.stdout


# -- forget ----------------------------------------------------------------------------------------


def test_what_is_forgotten_is_sent_again(program, history, sandbox):
    program("remember", history, "--yes")

    done = program("forget", history, "--yes")

    assert done.returncode == 0
    assert "Miso has 9 of its 10 rows: 0 accepted from it, 9 already sent or noted" in done.stdout
    assert "Forgot 1 source." in done.stdout
    program(history)
    assert len(sent(sandbox)) == 9


def test_the_accepted_total_does_not_fall_when_a_source_is_forgotten(program, history):
    program(history)
    program("forget", history, "--yes")

    shown = program("status")

    assert "history.jsonl" not in shown.stdout
    assert "Miso has accepted 9 rows in all at http://" in shown.stdout


def test_other_sources_keep_what_they_have(program, history, tmp_path, sandbox):
    program(history)
    copy = write_rows(tmp_path / "copy.jsonl", map(row, range(1, 12)))
    program(copy)
    program("forget", copy, "--yes")

    program(copy)

    assert sent(sandbox) == sorted([f"user-{n}" for n in range(1, 12)] + ["user-10", "user-11"])


def test_without_a_terminal_nothing_is_forgotten_unless_it_is_said(program, history, sandbox):
    program(history)

    done = program("forget", history)

    assert done.returncode == 2
    assert "nothing was forgotten, because there is no terminal to ask at" in done.stderr
    assert "nothing new" in program(history).stdout


@pytest.mark.parametrize(("answer", "is_forgotten"), [("yes", True), ("no", False)])
def test_at_a_terminal_it_asks_and_forgets(program, history, answer, is_forgotten):
    program(history)

    code, shown = at_terminal(answer, "forget", history)

    assert code == 0
    assert ("Forgot 1 source." in shown) == is_forgotten
    assert ("Nothing was forgotten." in shown) != is_forgotten


def test_a_file_that_is_gone_is_forgotten_by_its_name(program, history):
    program(history)
    history.unlink()

    assert "Forgot 1 source." in program("forget", history, "--yes").stdout


def test_a_source_of_version_0_1_is_forgotten(program, history, tmp_path, sandbox):
    ledger = tmp_path / "state" / "old.ledger"
    about = {"server": sandbox.url, "target": "shop"}
    write_old_ledger(ledger, [(str(history), history.read_bytes(), [(10, {})])], about=about)

    done = program("forget", history, "--yes")
    program(history, "--target", "shop")

    assert "10 accepted from it" in done.stdout
    assert len(sent(sandbox)) == 9


def test_one_unknown_name_forgets_nothing(program, history, tmp_path):
    program(history)

    done = program("forget", history, tmp_path / "nowhere.jsonl", "--yes")

    assert (done.returncode, done.stdout) == (2, "")
    assert "nowhere.jsonl: nothing is known of it, and nothing was forgotten" in done.stderr
    assert "nothing new" in program(history).stdout


def test_only_the_named_target_forgets(program, history, sandbox):
    program(history, "--new-target", "shop")

    done = program("forget", history, "--target", "shpo", "--yes")

    assert done.returncode == 2
    assert "nothing is known of it at the target shpo" in done.stderr
    assert program("forget", history, "--target", "shop", "--yes").returncode == 0


def test_nothing_is_forgotten_while_a_run_is_at_work(program, history, tmp_path):
    program(history)
    ledger = next((tmp_path / "state").glob("*.ledger"))

    with Locked(ledger):
        done = program("forget", history, "--yes")

    assert done.returncode == 5
    assert "another miso-upload is at work" in done.stderr
    assert "nothing new" in program(history).stdout


# -- status ----------------------------------------------------------------------------------------


def test_status_shows_what_was_already_sent_and_all_that_a_target_has(program, history, tmp_path):
    program(history)
    later = write_rows(tmp_path / "later.jsonl", map(row, range(6, 16)))
    program(later)

    text = program("status").stdout
    told = json.loads(program("status", later, "--json").stdout)

    assert "10 rows read = 6 accepted + 4 already sent + 0 rejected" in text
    assert text.splitlines()[-1].startswith("Miso has accepted 15 rows in all at http://")
    (source,) = told
    assert (source["totals"]["already_sent"], source["accepted_at_target"]) == (4, 15)


def test_status_of_a_ledger_of_version_0_1_brings_it_up_to_date(program, history, tmp_path):
    ledger = tmp_path / "state" / "old.ledger"
    about = {"server": "https://miso.test", "target": "shop"}
    write_old_ledger(ledger, [(str(history), history.read_bytes(), [(10, {})])], about=about)

    with Locked(ledger):
        locked = program("status")
    done = program("status")

    assert locked.returncode == 5
    assert "10 rows read = 10 accepted + 0 already sent" in done.stdout
    assert "Miso has accepted 10 rows in all at https://miso.test (shop)" in done.stdout
    assert ledger.with_name("old.ledger.v1").exists()


def test_a_file_of_which_nothing_is_known_has_no_status(program, tmp_path):
    new = write_rows(tmp_path / "new.jsonl", [row(1)])

    done = program("status", new)

    assert (done.returncode, done.stdout) == (0, f"{new}: nothing was uploaded from it yet\n")
