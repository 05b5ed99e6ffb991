"""Answers that are no answers, and some that only look like one."""

import os
import subprocess
import sys

import pytest

from miso_upload.sandbox import Faults, Sandbox
from tests.faults.conftest import KEY, ROWS
from tests.helpers.misbehaving import OK, Do, Say, pouring
from tests.helpers.rows import last_line, row, write_rows

TROUBLE = Say(200, {"errors": True, "message": "None of the records were inserted."})
GIGABYTE = 2**30
SUCCESS = b'{"message": "success"}'
EARLY_HINTS = (
    b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(SUCCESS), SUCCESS)
)


# A process's own memory; what the system tells its parent includes the parent's, before the exec.
TELLING_ITS_MEMORY = """
import atexit, pathlib, re
status = pathlib.Path("/proc/self/status")
atexit.register(lambda: print(re.search("VmHWM:(.*) kB", status.read_text())[1].strip()))
from miso_upload.cli import main
main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="what a process took is asked of Linux")
def test_a_gigabyte_answer_is_not_read_into_memory(job, serve, golden):
    """In a process of its own, whose memory is measured."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {GIGABYTE}\r\n\r\n".encode()
    server = serve(then=Do(pouring(head, GIGABYTE)))

    done = subprocess.run(
        [
            *(sys.executable, "-c", TELLING_ITS_MEMORY, str(job.history)),
            *("--server", server.url, "--max-attempts", "1"),
        ],
        env={**os.environ, "MISO_API_KEY": KEY},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 3
    assert done.stderr == golden
    assert int(done.stdout.splitlines()[-1]) < 250_000
    assert job.status() == (6, 0, 0, 6, 0, 0)


def test_200_with_errors_is_never_counted_as_accepted(job, serve, golden):
    server = serve(OK, then=TROUBLE)

    said = job.must_stop(server)

    assert last_line(said) == golden
    server.heal()
    job.must_finish(server)
    assert job.status()[5] == 0


def test_passing_200_with_errors_rejects_nothing(job, serve):
    server = serve(OK, TROUBLE)

    job.must_finish(server)

    assert job.status()[5] == 0


def test_a_record_that_causes_200_with_errors_is_found_and_rejected(job, serve, golden):
    def answer(records):
        return TROUBLE if any(each["user_id"] == "user-3" for each in records) else OK

    server = serve(then=answer)

    run = job.upload(server)

    assert run.code == 1
    assert job.status() == (6, 5, 1, 0, 0, 0)
    assert server.numbers == [1, 2, 4, 5, 6]
    assert list(job.rejects) == [3]
    assert str(job.rejects[3]["reasons"]) == golden


def test_200_with_errors_and_named_records_is_a_refusal(job, serve):
    lines = ["data.1.product_ids is invalid. It is bad."]
    server = serve(OK, Say(200, {"errors": True, "data": lines}))

    run = job.upload(server)

    assert run.code == 1
    assert server.numbers == [1, 2, 3, 5, 6]
    assert list(job.rejects) == [4]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_with_the_key_to_another_host(job, serve, status, golden):
    elsewhere = serve()
    away = {"Location": f"http://localhost:{elsewhere.port}/?token=sentinel"}
    server = serve(OK, then=Say(status, "", away))

    said = job.must_stop(server)

    assert last_line(said) == golden
    assert "sentinel" not in said
    assert elsewhere.heard == []
    assert len(server.heard) == 3
    server.heal()
    job.must_finish(server)


@pytest.mark.parametrize("status", [400, 404, 405, 415])
def test_a_refused_request_is_not_resent(job, serve, status, golden):
    server = serve(then=Say(status, {"message": "No."}))

    run = job.upload(server)

    assert run.code == 3
    assert last_line(run.err) == golden
    assert len(server.heard) == 1
    assert job.status() == (2, 0, 0, 0, 2, 0)
    server.heal()
    job.must_finish(server)


def test_a_refused_request_among_accepted_ones_is_resent(job, serve):
    server = serve(OK, Say(404, {"message": "No."}))

    job.must_finish(server)

    assert job.status()[5] == 0


@pytest.mark.parametrize("most", [1, 2, 4])
def test_413_halves_requests_until_they_fit(job, serve, most, golden):
    server = serve(then=lambda records: OK if len(records) <= most else Say(413, ""))

    run = job.must_finish(server, "--chunk-size", "6")

    assert run.err == golden
    assert server.numbers == [1, 2, 3, 4, 5, 6]
    assert len(server.heard) <= 9


def test_a_single_record_that_is_too_large_is_rejected(job, serve, golden):
    rows = [row(number) for number in range(1, ROWS + 1)]
    rows[3]["product_ids"] = [f"{number:0500}" for number in range(10)]
    write_rows(job.history, rows)

    def answer(records):
        return Say(413, "") if any(len(str(each)) > 5000 for each in records) else OK

    server = serve(then=answer)

    run = job.upload(server, "--chunk-size", "6")

    assert run.code == 1
    assert job.status() == (6, 5, 1, 0, 0, 0)
    assert sorted(server.numbers) == [1, 2, 3, 5, 6]
    assert run.out == golden
    assert list(job.rejects) == [4]
    server.heal()
    assert job.upload(server, "--chunk-size", "6").code == 0
    assert sorted(server.numbers) == [1, 2, 3, 5, 6]


def test_413_for_an_accepted_size_rejects_nothing(job, serve, golden):
    server = serve(OK, then=Say(413, ""))

    said = job.must_stop(server)

    assert last_line(said) == golden
    assert len(server.heard) == 3
    server.heal()
    job.must_finish(server)


def test_422_with_an_endless_body_is_still_422(job, serve):
    head = b"HTTP/1.1 422 No\r\n\r\n"

    def answer(records):
        if any(each["user_id"] == "user-4" for each in records):
            return Do(pouring(head, GIGABYTE))
        return OK

    server = serve(then=answer)

    run = job.upload(server, "--chunk-size", "6")

    assert run.code == 1
    assert job.status() == (6, 5, 1, 0, 0, 0)
    assert list(job.rejects) == [4]


def test_interim_answers_are_skipped(job, serve):
    hints = Do(lambda connection, _over: connection.sendall(EARLY_HINTS), keep=True)
    server = serve(OK, hints)

    job.must_finish(server)

    assert job.status()[5] == 0


@pytest.mark.parametrize("chunk_size", [1, 3, 50])
def test_odd_answers_to_many_requests_reject_no_good_row(job, chunk_size):
    faults = Faults(statuses={413: 0.3}, errors_true=0.1, seed=chunk_size)
    job.more_rows(300)
    with Sandbox(key=KEY, faults=faults) as sandbox:
        for _ in range(20):
            run = job.upload(
                sandbox.url, "--chunk-size", chunk_size, "--max-attempts", "8", "--concurrency", "4"
            )
            if run.code == 0:
                break
            assert run.code == 3

    assert run.code == 0
    assert job.status() == (300, 300, 0, 0, 0, 0)
    assert job.rejects == {}
