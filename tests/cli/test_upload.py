"""The program as a user runs it, in a process of its own, against a real server on loopback."""

from __future__ import annotations

import array
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from miso_upload.sandbox import Faults
from tests.cli.conftest import KEY
from tests.helpers.processes import started_program
from tests.helpers.rows import counts_in, last_line, row, write_rows

pytestmark = pytest.mark.usefixtures("sandbox")


@pytest.fixture
def upload(run, sandbox, monkeypatch):
    """Run `miso-upload ARGS...` against the double, and see to it that the key is never shown."""
    monkeypatch.setenv("MISO_API_KEY", KEY)

    def run_upload(*args, **options):
        done = run(*args, "--server", sandbox.url, **options)
        assert KEY not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run_upload


@pytest.fixture
def history(tmp_path):
    """Fifty good rows and one bad one, in line 20."""
    rows = [row(number) for number in range(1, 51)]
    rows.insert(19, row(999, timestamp="2025-13-01"))
    return write_rows(tmp_path / "history.jsonl", rows)


def users(sandbox):
    return [record["user_id"] for record in sandbox.records()]


def everyone(count=50):
    return [f"user-{number}" for number in range(1, count + 1)]


def test_good_rows_arrive_and_bad_ones_are_set_aside(upload, history, sandbox, golden):
    done = upload(history)

    assert done.returncode == 1
    assert done.stdout == golden
    assert users(sandbox) == everyone()


def test_rejected_rows_are_in_a_file_beside_the_input(upload, history):
    upload(history)

    (line,) = history.with_name("history.jsonl.rejects.jsonl").read_text().splitlines()
    rejected = json.loads(line)
    assert (rejected["line"], rejected["row"]) == (20, row(999, timestamp="2025-13-01"))


def test_the_same_command_again_sends_nothing_and_all_is_well(upload, history, sandbox, golden):
    upload(history)

    done = upload(history)

    assert done.returncode == 0
    assert done.stdout == golden
    assert len(users(sandbox)) == 50


def test_quiet_says_nothing_when_all_goes_well(upload, tmp_path):
    done = upload(write_rows(tmp_path / "h.jsonl", [row(1)]), "--quiet")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_only_what_was_added_is_sent(upload, history, sandbox):
    upload(history)
    with history.open("a") as file:
        file.write(json.dumps(row(51)) + "\n")

    done = upload(history)

    assert done.returncode == 0
    assert users(sandbox) == everyone(51)


def test_a_renamed_and_compressed_file_is_recognised(upload, history, sandbox, golden):
    upload(history)
    compressed = history.with_name("history.1.jsonl.gz")
    compressed.write_bytes(gzip.compress(history.read_bytes()))
    history.unlink()

    done = upload(compressed)

    assert done.returncode == 0
    assert done.stderr == golden
    assert len(users(sandbox)) == 50


def test_a_line_that_is_still_written_waits_while_growing(upload, history, sandbox):
    with history.open("a") as file:
        file.write(json.dumps(row(51))[:30])
    upload(history, "--growing")
    with history.open("a") as file:
        file.write(json.dumps(row(51))[30:] + "\n")

    done = upload(history, "--growing")

    assert done.returncode == 0
    assert users(sandbox) == everyone(51)


def test_standard_input_is_an_input(upload, history, sandbox, tmp_path):
    done = upload("-", input=history.read_text(), cwd=tmp_path)

    assert "stdin:20:" in done.stdout
    assert users(sandbox) == everyone()


def wait_until_read(pipe):
    """Wait until the process at the other end has taken all that was written."""
    import fcntl
    import termios

    left = array.array("i", [1])
    while left[0]:
        time.sleep(0.02)
        fcntl.ioctl(pipe, termios.FIONREAD, left)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
def test_a_signal_ends_the_wait_for_an_input_that_says_nothing(sandbox, monkeypatch, golden):
    monkeypatch.setenv("MISO_API_KEY", KEY)
    with started_program(
        *("-", "--server", sandbox.url),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as waiting:  # fmt: skip
        waiting.stdin.write(" ")
        waiting.stdin.flush()
        wait_until_read(waiting.stdin)

        waiting.send_signal(signal.SIGINT)
        said = waiting.stderr.read()

        assert waiting.wait(10) == 130
    assert last_line(said) == golden


@pytest.mark.skipif(sys.platform == "win32", reason="pipes with names are of POSIX")
def test_a_pipe_with_a_name_is_read_once_and_whole(upload, tmp_path, sandbox):
    pipe = tmp_path / "history.jsonl"
    os.mkfifo(pipe)
    rows = "".join(json.dumps(row(number)) + "\n" for number in range(1, 20_001))
    with subprocess.Popen(
        ["sh", "-c", f"cat > {pipe}"], stdin=subprocess.PIPE, text=True
    ) as writer:
        threading.Thread(target=lambda: (writer.stdin.write(rows), writer.stdin.close())).start()
        done = upload(pipe)

    assert done.returncode == 0
    assert sandbox.counts()["records"] == 20_000


def test_several_files_and_a_pattern_are_read_in_one_run(upload, tmp_path, sandbox):
    for number in (1, 2, 3):
        write_rows(tmp_path / f"part{number}.jsonl", [row(number)])

    done = upload(tmp_path / "part[12].jsonl", tmp_path / "part3.jsonl")

    assert done.returncode == 0
    assert sorted(users(sandbox)) == sorted(everyone(3))


def test_a_refused_key_is_exit_code_4_and_loses_no_row(
    upload, history, sandbox, monkeypatch, golden
):
    monkeypatch.setenv("MISO_API_KEY", "wrong")
    refused = upload(history)
    monkeypatch.setenv("MISO_API_KEY", KEY)

    upload(history)

    assert refused.returncode == 4
    assert last_line(refused.stderr) == golden
    assert users(sandbox) == everyone()


def test_a_server_that_is_not_there_is_exit_code_3_and_the_next_run_goes_on(
    run, upload, history, sandbox, monkeypatch, golden
):
    monkeypatch.setenv("MISO_API_KEY", KEY)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}"
        failed = run(history, "--server", nobody, "--max-attempts", 2, "--target", "shop")

    assert failed.returncode == 3
    assert last_line(failed.stderr) == golden
    assert upload(history).returncode == 1
    assert users(sandbox) == everyone()


def test_an_outcome_that_nobody_knows_is_sent_again_and_counted(upload, history, sandbox, golden):
    sandbox.faults = Faults(script=("drop-after",))

    done = upload(history)

    assert done.stdout == golden
    assert len(users(sandbox)) == 100


def test_an_outcome_that_nobody_knows_is_held_where_the_user_says_so(
    upload, history, sandbox, golden
):
    sandbox.faults = Faults(script=("drop-after",))
    held = upload(history, "--on-unknown", "hold")
    still = upload(history, "--on-unknown", "hold")

    assert (held.returncode, still.returncode) == (1, 1)
    assert counts_in(held.stdout) == [51, 0, 0, 1, 0, 50, 0]
    assert held.stdout == golden
    assert users(sandbox) == everyone()


def test_a_dry_run_needs_no_key_and_sends_nothing(upload, history, sandbox, monkeypatch, golden):
    monkeypatch.delenv("MISO_API_KEY")

    done = upload(history, "--dry-run")

    assert done.returncode == 1
    assert counts_in(done.stdout)[:4] == [51, 50, 1, 0]
    assert done.stdout == golden
    assert sandbox.counts()["requests"] == 0


def test_a_server_dry_run_stores_nothing_and_is_not_remembered(upload, history, sandbox):
    upload(history, "--server-dry-run")
    assert sandbox.counts()["dry_run_requests"] == 1
    assert users(sandbox) == []

    upload(history)

    assert users(sandbox) == everyone()


def test_a_rehearsal_needs_no_server_and_shows_what_arrived(run, history, golden):
    done = run(history, "--sandbox")

    assert done.stdout == golden


def test_an_input_without_valid_rows_stops_the_upload(upload, tmp_path, sandbox, golden):
    junk = write_rows(tmp_path / "junk.jsonl", [{"event": "view"}] * 30)

    done = upload(junk)

    assert done.returncode == 2
    assert done.stderr == golden
    assert sandbox.counts()["requests"] == 0


def test_too_many_rejections_stop_the_run_and_say_what_most_had_in_common(
    upload, tmp_path, sandbox
):
    rows = [row(n, **({"type": "view"} if n % 4 == 0 else {})) for n in range(12_000)]

    done = upload(write_rows(tmp_path / "h.jsonl", rows), "--chunk-size", 2_000)

    assert done.returncode == 2
    assert 'type "view"' in last_line(done.stderr)
    assert 0 < sandbox.counts()["records"] <= 6_000


def test_a_second_run_at_the_same_time_is_exit_code_5(upload, history, sandbox, golden):
    sandbox.faults = Faults(latency=3.0)
    with started_program(
        *(history, "--server", sandbox.url),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ):  # fmt: skip
        while sandbox.counts()["records"] < 50:
            time.sleep(0.02)

        second = upload(history)

    assert second.returncode == 5
    assert second.stderr == golden


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_lets_requests_in_flight_finish_and_saves_progress(
    number, code, upload, tmp_path, sandbox, golden
):
    history = write_rows(tmp_path / "h.jsonl", [row(n) for n in range(1, 1_001)])
    sandbox.faults = Faults(latency=0.3)
    with started_program(
        *(history, "--server", sandbox.url, "--chunk-size", "50"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        while not sandbox.counts()["requests"]:
            time.sleep(0.02)
        running.send_signal(number)
        shown, said = running.communicate(timeout=30)
    sandbox.faults = Faults()

    upload(history)

    assert running.returncode == code
    assert last_line(said) == golden
    assert counts_in(shown)[-2] == 0
    assert sorted(users(sandbox)) == sorted(everyone(1_000))


def test_records_that_come_out_differently_are_not_sent_unsaid(upload, history, sandbox, golden):
    upload(history)

    done = upload(history, "--set", "context.region=eu")

    assert done.returncode == 2
    assert done.stderr == golden
    assert len(users(sandbox)) == 50


def test_records_that_come_out_differently_are_sent_where_the_user_says_so(
    upload, history, sandbox, golden
):
    upload(history)

    done = upload(history, "--set", "context.region=eu", "--changed-mapping", "send")

    assert counts_in(done.stdout)[:4] == [51, 50, 0, 1]
    assert done.stdout == golden
    assert len(users(sandbox)) == 100


def test_what_is_added_is_sent_under_another_mapping_where_the_user_says_so(
    upload, history, sandbox
):
    upload(history)
    with history.open("a") as file:
        file.write(json.dumps(row(51)) + "\n")

    done = upload(history, "--set", "context.region=eu", "--changed-mapping", "continue")

    assert counts_in(done.stdout)[:4] == [52, 51, 0, 1]
    assert ["context" in record for record in sandbox.records()] == [False] * 50 + [True]


def test_an_option_that_changes_no_record_sends_nothing_again(upload, history, sandbox, golden):
    upload(history)

    done = upload(history, "--timezone", "UTC")

    assert counts_in(done.stdout)[:4] == [51, 0, 50, 1]
    assert done.stdout == golden
    assert len(users(sandbox)) == 50


def test_a_restart_says_what_was_accepted_and_sends_everything_again(
    upload, history, sandbox, golden
):
    upload(history)

    done = upload(history, "--restart")

    assert done.stderr == golden
    assert len(users(sandbox)) == 100


def test_a_report_is_a_json_file_that_adds_up(upload, history, tmp_path):
    upload(history, "--report", tmp_path / "report.json")

    report = json.loads((tmp_path / "report.json").read_text())
    assert report["totals"] == {
        "rows": 51, "accepted": 50, "already_sent": 0, "rejected": 1, "skipped": 0, "unknown": 0,
        "pending": 0, "duplicates": 0, "changed": 0, "outside": 0,
    }  # fmt: skip
    assert report["accepted_at_target"] == 50
    assert report["balanced"] is True
    assert report["exit_code"] == 1


def test_json_logs_are_json_on_both_streams(upload, history):
    done = upload(history, "--json")

    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert events == ["noted", "settled"]
    assert json.loads(done.stdout)["totals"]["accepted"] == 50


def test_a_closed_stdout_changes_nothing_about_the_upload(history, sandbox):
    command = f"{sys.executable} -m miso_upload {history} --server {sandbox.url} | true"

    subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env={**os.environ, "MISO_API_KEY": KEY}, capture_output=True, check=False,
    )  # fmt: skip

    assert users(sandbox) == everyone()


def test_files_that_are_made_are_for_their_owner_only(upload, history, tmp_path):
    upload(history, "--report", tmp_path / "report.json")

    made = [*(tmp_path / "state").iterdir(), tmp_path / "report.json"]
    made.append(history.with_name("history.jsonl.rejects.jsonl"))
    assert {path.stat().st_mode & 0o077 for path in made} == {0}


def test_status_tells_what_became_of_a_source(upload, run, history, golden):
    upload(history)

    shown = json.loads(run("status", history, "--json").stdout)

    assert [each["totals"]["accepted"] for each in shown] == [50]
    assert run("status").stdout == golden


def test_rejects_are_written_again_with_their_rows(upload, run, history):
    upload(history)

    again = run("rejects", history).stdout

    assert again == history.with_name("history.jsonl.rejects.jsonl").read_text()


def test_rejects_of_a_file_that_is_gone_are_told_without_rows(upload, run, history):
    upload(history)
    history.unlink()

    assert json.loads(run("rejects", history).stdout)["row"] is None


def test_a_csv_with_quoted_newlines_names_the_right_line(upload, tmp_path, sandbox):
    table = tmp_path / "h.csv"
    table.write_text(
        "type,timestamp,user_id,product_ids,note\n"
        'like,2024-05-01T10:00:00Z,u1,p1,"two\nlines"\n'
        'like,2024-13-01T10:00:00Z,u2,p2,"a\nb\nc"\n'
        "like,2024-05-01T10:00:00Z,u3,p3,\n"
    )

    done = upload(table)

    assert f"{table}:4:" in done.stdout
    assert users(sandbox) == ["u1", "u3"]


def test_naughty_strings_survive_byte_for_byte(upload, tmp_path, sandbox, shared_data):
    naughty = json.loads((shared_data / "torture" / "blns.json").read_text(encoding="utf-8"))
    pages = [{"url": "https://shop.example/", "title": text} for text in naughty]
    rows = [row(number, context={"page": page}) for number, page in enumerate(pages)]

    done = upload(write_rows(tmp_path / "h.jsonl", rows))

    assert done.returncode == 0
    assert [record["context"]["page"]["title"] for record in sandbox.records()] == naughty


def test_a_real_clickstream_goes_through_but_for_its_cut_row(
    upload, sandbox, shared_data, tmp_path
):
    done = upload(
        shared_data / "ecommerce" / "rees46_2019-Oct.csv", "--set", "type=product_detail_page_view",
        "--map", "product_ids=product_id", "--map", "timestamp=event_time",
        "--rejects", tmp_path / "rejects.jsonl",
    )  # fmt: skip

    assert counts_in(done.stdout)[:4] == [17435, 17434, 0, 1]
    assert sandbox.counts()["records"] == 17_434


@pytest.mark.parametrize(
    ("name", "rows"),
    [("google_retail_user_events.json", 4), ("google_retail_user_events_some_invalid.json", 4)],
)
def test_real_user_events_go_through_with_names_alone(name, rows, upload, sandbox, shared_data):
    done = upload(
        shared_data / "ecommerce" / name, "--set", "type=custom",
        "--map", "custom_action_name=eventType", "--map", "anonymous_id=visitorId",
        "--map", "timestamp=eventTime",
    )  # fmt: skip

    assert done.returncode == 0
    assert sandbox.counts()["records"] == rows


def test_a_rejected_row_that_is_corrected_in_the_input_is_sent_and_no_other(
    upload, history, sandbox, golden
):
    upload(history)
    history.write_text(history.read_text().replace("2025-13-01", "2025-12-01T00:00:00Z"))

    done = upload(history)

    assert done.returncode == 0
    assert counts_in(done.stdout)[:4] == [51, 1, 50, 0]
    assert done.stdout == golden
    assert users(sandbox) == [*everyone(), "user-999"]
    assert not history.with_name("history.jsonl.rejects.jsonl").exists()


def test_an_edited_input_is_sent_whole_where_the_user_says_so(upload, history, sandbox):
    upload(history)
    history.write_text(history.read_text().replace("2025-13-01", "2025-12-01T00:00:00Z"))

    done = upload(history, "--restart")

    assert done.returncode == 0
    assert len(users(sandbox)) == 101


def test_of_a_corrected_copy_only_the_corrected_row_is_sent(upload, history, sandbox, golden):
    upload(history)
    copy = history.with_name("corrected.jsonl")
    copy.write_text(history.read_text().replace("2025-13-01", "2025-12-01T00:00:00Z"))

    done = upload(copy)

    assert done.stdout == golden
    assert users(sandbox) == [*everyone(), "user-999"]


def test_of_overlapping_exports_each_record_is_sent_once(upload, tmp_path, sandbox, golden):
    week = write_rows(tmp_path / "week.jsonl", [row(number) for number in range(1, 11)])
    upload(week)
    next_week = write_rows(tmp_path / "next.jsonl", [row(number) for number in range(6, 16)])

    dry = upload(next_week, "--dry-run")
    done = upload(next_week)

    assert counts_in(dry.stdout)[:4] == [10, 5, 5, 0]
    assert counts_in(done.stdout)[:4] == [10, 5, 5, 0]
    assert done.stdout == golden
    assert users(sandbox) == everyone(15)


def test_records_that_are_already_sent_go_again_where_the_user_says_so(upload, tmp_path, sandbox):
    upload(write_rows(tmp_path / "a.jsonl", [row(1), row(2)]))

    done = upload(write_rows(tmp_path / "b.jsonl", [row(2), row(1)]), "--already-sent", "send")

    assert counts_in(done.stdout)[:3] == [2, 2, 0]
    assert len(users(sandbox)) == 4


def test_inputs_that_share_records_are_told_of_and_of_series(upload, tmp_path, sandbox, golden):
    one = write_rows(tmp_path / "one.log.jsonl", [row(1), row(2), row(3)])
    two = write_rows(tmp_path / "two.log.jsonl", [row(4), row(2)])

    done = upload(one, two)

    assert done.stdout == golden
    assert len(users(sandbox)) == 4


def test_equal_records_of_two_series_are_all_sent(upload, tmp_path, sandbox):
    for name in ("web1", "web2"):
        upload(write_rows(tmp_path / f"{name}.jsonl", [row(1), row(2)]), "--series", name)

    assert len(users(sandbox)) == 4
    assert "series" not in next(iter(sandbox.records()))


def test_a_known_order_with_other_content_is_named_and_sent_only_where_the_user_says_so(
    upload, tmp_path, sandbox, golden
):
    mapping = tmp_path / "shop.toml"
    mapping.write_text('[rows]\nkey = ["order_id"]\n')
    orders = tmp_path / "orders.jsonl"
    options = ("-m", mapping)
    write_rows(orders, [row(1, order_id="o1"), row(2, order_id="o2")])
    upload(orders, *options)
    write_rows(orders, [row(1, order_id="o1"), row(2, order_id="o2", product_ids=["other"])])

    left_out = upload(orders, *options)
    sent = upload(orders, *options, "--changed", "send")

    assert counts_in(left_out.stdout)[:3] == [2, 0, 2]
    assert left_out.stdout == golden
    assert counts_in(sent.stdout)[:3] == [2, 1, 1]
    assert [record["product_ids"] for record in sandbox.records()][2:] == [["other"]]


def test_another_file_under_the_same_name_is_a_new_input(upload, history, sandbox):
    upload(history)
    write_rows(history, [row(number) for number in range(1_000, 1_050)])

    done = upload(history)

    assert done.returncode == 0
    assert len(users(sandbox)) == 100


def test_a_report_that_cannot_be_written_is_said_before_anything_is_sent(
    upload, history, sandbox, tmp_path
):
    done = upload(history, "--report", tmp_path / "nowhere" / "report.json")

    assert done.returncode == 2
    assert sandbox.counts()["requests"] == 0


def test_a_server_dry_run_says_that_it_was_one(upload, history, golden):
    assert upload(history, "--server-dry-run").stdout == golden


def test_rows_that_still_wait_are_not_called_settled(upload, history, sandbox, golden):
    sandbox.faults = Faults(statuses={503: 1.0})
    for _ in range(2):
        done = upload(history, "--max-attempts", 1)

    assert done.returncode == 3
    assert counts_in(done.stdout) == [51, 0, 0, 1, 0, 50, 0]
    assert done.stdout == golden


def test_a_named_column_that_no_row_has_is_told(upload, history, golden):
    done = upload(history, "--dry-run", "--map", "product_ids=skuu")

    assert done.stdout == golden


def test_what_earlier_runs_rejected_is_told_beside_what_is_new(upload, history, golden):
    upload(history)
    with history.open("a") as file:
        file.write(json.dumps(row(51)) + "\n")

    assert upload(history).stdout == golden


def test_status_of_a_file_that_is_nowhere_is_an_error(upload, history, run, golden):
    upload(history)
    history.unlink()

    assert run("status", history).returncode == 0
    done = run("status", history, "nosuchfile")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == golden


def test_a_report_on_stdout_is_what_json_is_for(upload, history, tmp_path, golden):
    done = upload(history, "--report", "-", cwd=tmp_path)

    assert done.returncode == 2
    assert done.stderr == golden
    assert not (tmp_path / "-").exists()


def test_a_source_without_rejected_rows_is_told_to_have_none(upload, run, tmp_path, golden):
    good = write_rows(tmp_path / "good.jsonl", [row(1)])
    upload(good)

    done = run("rejects", good)

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == golden


def test_the_status_of_a_directory_is_no_status(run, tmp_path, golden):
    done = run("status", tmp_path)

    assert done.returncode == 2
    assert done.stderr == golden


def test_a_warning_that_nearly_all_records_share_is_told_at_the_end(run, tmp_path, golden):
    searches = [row(number, type="search", product_ids=None) for number in range(200)]
    history = write_rows(tmp_path / "h.jsonl", searches)

    done = run(history, "--dry-run")

    assert done.returncode == 0
    assert done.stdout == golden
