"""Objects in stores and on web servers are read like files, and never from two versions."""

import bz2
import gzip
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter

import pytest
import zstandard

from miso_upload import Settings, check
from miso_upload.errors import ChangedSourceError, SourceError, UnreachableSourceError
from miso_upload.ledger.rejects_file import rejects_path
from miso_upload.sandbox import Sandbox
from miso_upload.sources import ReadingOptions, Source, expand_inputs
from miso_upload.sources.stream import ByteStream
from miso_upload.values.input_names import local_name, shown_name
from tests.helpers.paths import ROOT
from tests.helpers.processes import started_program
from tests.helpers.rows import row, write_rows
from tests.helpers.streams import rest_of

pytest.importorskip("obstore")
remote = pytest.importorskip("miso_upload.sources.remote.object")
remote_stores = pytest.importorskip("miso_upload.sources.remote.stores")

DATA = random.Random(3).randbytes(30_000_000)
ROWS = "".join(f'{{"type":"search","n":{n}}}\n' for n in range(200_000)).encode()


def zipped(data):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.jsonl", data)
    return file.getvalue()


def as_parquet(data):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([json.loads(line) for line in data.splitlines()]), file)
    return file.getvalue()


def closing_rest(name, size=2**20):
    stream = ByteStream(name)
    try:
        return rest_of(stream, size)
    finally:
        stream.close()


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shown", "local"),
    [
        ("s3://b/logs/a b.jsonl.gz", "s3://b/logs/a b.jsonl.gz", "a b.jsonl.gz"),
        ("S3://b/what?.csv", "s3://b/what?.csv", "what?.csv"),
        (
            "https://h.example/a%20b.csv?X-Amz-Signature=5ec7e7&x=/y",
            "https://h.example/a%20b.csv",
            "a b.csv",
        ),
        ("https://me:5ec7e7@h.example/x.csv#5ec7e7", "https://h.example/x.csv", "x.csv"),
        ("https://h.example?5ec7e7", "https://h.example", "remote"),
        ("https://h.example/..%2F..%2Fetc%2Fpasswd", "https://h.example/..%2F..%2Fetc%2Fpasswd",
         "passwd"),
        ("gs://b/a/..", "gs://b/a/..", "remote"),
        ("-", "stdin", "-"),
        ("./a://b", "./a://b", "./a://b"),
        ("C:\\x.csv", "C:\\x.csv", "C:\\x.csv"),
    ],
)  # fmt: skip
def test_a_name_is_shown_without_secrets(name, shown, local):
    assert shown_name(name) == shown
    assert local_name(name) == local


def test_the_rejects_file_of_a_remote_input_is_in_the_working_directory():
    assert str(rejects_path("s3://b/logs/x.jsonl.gz")) == "x.jsonl.gz.rejects.jsonl"


# -- reading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["x", "a/b.jsonl", "a b.csv", "größe+1.csv", "a%20b#c&d=e.csv"])
def test_an_object_with_any_key_is_read(s3, key):
    assert closing_rest(s3.put(key, b"hello")) == (b"hello", None)


def test_a_large_object_is_read_in_ranges(web):
    address, pages = web
    pages.pages["/x"] = DATA

    assert closing_rest(f"{address}/x") == (DATA, None)
    sizes = [1 + int(b) - int(a) for a, b in (part[6:].split("-") for _, part in pages.requests)]
    assert sizes[:4] == [2**20, 2**21, 2**22, 2**23]
    assert max(sizes) == 2**23


@pytest.mark.parametrize("parts", [True, False], ids=["in parts", "whole"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_every_offset_yields_the_same_bytes_each_time(web, parts, pack):
    address, pages = web
    pages.parts = parts
    pages.pages["/x"] = pack(ROWS)
    stream = ByteStream(f"{address}/x")

    for offset in [*random.Random(2).sample(range(len(ROWS)), 5), 0, len(ROWS)]:
        assert stream.seek(offset)
        assert stream.read(7) == ROWS[offset : offset + 7]
    assert not stream.seek(len(ROWS) + 1)
    assert stream.seek(5)
    assert rest_of(stream)[0] == ROWS[5:]
    assert stream.can_reopen
    assert stream.size == len(pages.pages["/x"])
    stream.close()


def test_an_offset_near_the_end_is_reached_without_reading_the_rest(web):
    address, pages = web
    pages.pages["/x"] = DATA
    stream = ByteStream(f"{address}/x")

    stream.seek(29_000_000)
    assert stream.read(10) == DATA[29_000_000:29_000_010]
    stream.close()

    asked = sum(1 + int(b) - int(a) for a, b in (part[6:].split("-") for _, part in pages.requests))
    assert asked < 3_000_000


@pytest.mark.parametrize("parts", [True, False])
def test_an_empty_object_has_no_bytes(web, s3, parts):
    address, pages = web
    pages.parts = parts
    pages.pages["/x"] = b""

    assert closing_rest(f"{address}/x") == (b"", None)
    assert closing_rest(s3.put("empty", b"")) == (b"", None)


def test_zip_and_parquet_are_read_from_a_store(s3):
    assert closing_rest(s3.put("rows.zip", zipped(ROWS))) == (ROWS, None)
    assert closing_rest(s3.put("rows.parquet", as_parquet(ROWS))) == (ROWS, None)


def test_a_zip_archive_needs_a_server_with_range_requests(web, golden):
    address, pages = web
    pages.parts = False
    pages.pages["/x.zip"] = zipped(ROWS)

    with pytest.raises(SourceError) as caught:
        ByteStream(f"{address}/x.zip")

    assert str(caught.value) == golden


def test_a_signed_url_is_requested_unchanged(web):
    address, pages = web
    pages.pages["/a%20b"] = b"x"

    stream = ByteStream(f"{address}/a%20b?sig=a%2Fb%2B&t=1+2")

    assert pages.requests[0][0] == "/a%20b?sig=a%2Fb%2B&t=1+2"
    assert stream.shown == f"{address}/a%20b"
    stream.close()


def test_a_busy_server_is_retried(web):
    address, pages = web
    pages.pages["/x"] = b"hello"
    pages.fails = 2

    assert closing_rest(f"{address}/x") == (b"hello", None)


def test_a_broken_connection_is_retried(web):
    address, pages = web
    pages.pages["/x"] = DATA
    pages.breaks = 3

    assert closing_rest(f"{address}/x") == (DATA, None)


def test_the_rest_of_a_range_from_an_idle_server_is_requested_again(web, monkeypatch):
    monkeypatch.setattr(remote_stores, "IDLE_SECONDS", 0.2)
    address, pages = web
    data = b"".join(b'{"a":%d}\n' % number for number in range(20_000))
    pages.pages["/a.jsonl"], pages.drips = data, 2

    assert rest_of(ByteStream(f"{address}/a.jsonl")) == (data, None)

    starts = [int(part.removeprefix("bytes=").partition("-")[0]) for _, part in pages.requests]
    assert starts[0] == 0
    assert 40 < starts[1] < starts[2] < 200_000


@pytest.mark.parametrize("parts", [True, False])
def test_an_idle_server_ends_the_run_after_retries(web, monkeypatch, parts):
    monkeypatch.setattr(remote_stores, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(remote, "IDLE_SECONDS", 0.2)
    address, pages = web
    pages.pages["/a.jsonl"] = b'{"a":1}\n' * 20_000
    pages.drips, pages.parts = 1_000, parts

    try:
        found, damage = rest_of(ByteStream(f"{address}/a.jsonl"))
    except UnreachableSourceError as error:
        found, damage = b"", str(error)

    assert f"{address}/a.jsonl" in damage
    assert "0.2 s" in damage
    assert found.startswith(b'{"a":1}\n') or parts
    assert len(pages.requests) == (3 if parts else 2)


def test_slow_processing_does_not_count_as_an_idle_server(web, monkeypatch):
    monkeypatch.setattr(remote_stores, "IDLE_SECONDS", 0.3)
    address, pages = web
    data = b"x" * 5_000_000
    pages.pages["/a.jsonl"], pages.parts = data, False
    stream = ByteStream(f"{address}/a.jsonl")

    time.sleep(0.5)

    assert rest_of(stream) == (data, None)


def test_a_broken_connection_without_range_requests_ends_the_run(web):
    address, pages = web
    pages.parts = False
    pages.pages["/x"] = DATA
    pages.breaks = 10**9

    data, damage = closing_rest(f"{address}/x")

    assert DATA.startswith(data)
    assert f"{address}/x" in damage


# -- versions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [True, False])
def test_an_object_replaced_during_the_read_is_detected(web, parts, golden):
    """No row mixes two versions: all rows are from the beginning of the first version."""
    address, pages = web
    pages.parts = parts
    pages.pages["/x"] = gzip.compress(DATA, 1)
    stream = ByteStream(f"{address}/x")
    found = stream.read(1000)

    pages.pages["/x"], pages.tag = gzip.compress(DATA[::-1], 1), '"2"'
    if not parts:
        with pytest.raises(ChangedSourceError) as caught:
            stream.seek(0)

        assert str(caught.value) == golden
        return
    more, damage = rest_of(stream)

    assert DATA.startswith(found + more)
    assert len(found + more) < len(DATA)
    assert damage == golden
    stream.close()


def test_a_parquet_file_replaced_during_the_read_is_detected(web, golden):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    address, pages = web
    file = io.BytesIO()
    draw = random.Random(1)
    noise = pa.table({"n": [draw.random() for _ in range(1_000_000)]})
    pq.write_table(noise, file, row_group_size=10_000)
    pages.pages["/x"] = file.getvalue()
    stream = ByteStream(f"{address}/x")
    assert stream.read(100)

    pages.tag = '"2"'
    _, damage = rest_of(stream)

    assert damage == golden
    stream.close()


def test_without_etags_a_changed_size_is_detected(web, golden):
    address, pages = web
    pages.tag = None
    pages.pages["/x"] = DATA
    stream = ByteStream(f"{address}/x")

    pages.pages["/x"] = DATA + b"more"
    _, damage = rest_of(stream)

    assert damage == golden
    stream.close()


def test_an_object_that_became_shorter_is_detected(web, golden):
    address, pages = web
    pages.pages["/x"] = DATA
    stream = ByteStream(f"{address}/x")

    pages.pages["/x"], pages.tag = b"short", '"2"'
    _, damage = rest_of(stream)

    assert damage == golden
    stream.close()


def test_an_object_and_its_copy_have_the_same_head_checksum(s3, tmp_path):
    (tmp_path / "x.jsonl").write_bytes(ROWS)
    url = s3.put("x.jsonl.gz", gzip.compress(ROWS))

    with (
        Source(url, ReadingOptions()) as far,
        Source(str(tmp_path / "x.jsonl"), ReadingOptions()) as near,
    ):
        assert far.identity.head == near.identity.head is not None
        assert far.name == url


# -- patterns --------------------------------------------------------------------------------------


@pytest.fixture
def logs(s3):
    for key in ("p/a/1.jsonl", "p/a/2.jsonl", "p/b/1.jsonl", "p/b/1.csv", "p/b/c/1.jsonl",
                "p/[x].jsonl", "p/a/1.jsonl.rejects.jsonl"):  # fmt: skip
        s3.put(key, b"{}\n")
    return s3


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("p/a/*.jsonl", ["p/a/1.jsonl", "p/a/2.jsonl"]),
        ("p/*/1.*", ["p/a/1.jsonl", "p/b/1.csv", "p/b/1.jsonl"]),
        ("p/**/1.jsonl", ["p/a/1.jsonl", "p/b/1.jsonl", "p/b/c/1.jsonl"]),
        ("p/b/**", ["p/b/1.csv", "p/b/1.jsonl", "p/b/c/1.jsonl"]),
        ("p/[ab]/[2-9].jsonl", ["p/a/2.jsonl"]),
        ("p/[x].jsonl", ["p/[x].jsonl"]),
    ],
)
def test_a_pattern_means_the_objects_that_match_it(logs, pattern, found):
    inputs, left_out = expand_inputs([f"s3://history/{pattern}"])

    assert inputs == [f"s3://history/{key}" for key in found]
    rejects = (
        "s3://history/p/a/1.jsonl.rejects.jsonl: skipped, because it is a rejects file of "
        "miso-upload"
    )
    assert left_out == ([rejects] if pattern in ("p/a/*.jsonl", "p/*/1.*") else [])


@pytest.mark.parametrize(
    "name",
    [
        "s3://history/p/*.parquet",
        "s3://history/none/",
        "s3://history",
        "ftp://h.example/x",
        "http://h.example/x",
        "http://",
        "s3:///x",
        "s3://b//x",
        "gs://b/a/../x*",
    ],
)
def test_an_invalid_url_is_refused(s3, name, golden):
    def opened():
        return [ByteStream(each) for each in expand_inputs([name])[0]]

    with pytest.raises(SourceError) as caught:
        opened()

    assert str(caught.value) == golden


def test_a_rotated_log_in_a_store_is_read_oldest_first(s3, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, day in (("access.log", 3), ("access.log.1", 1), ("access.log.2.gz", 2)):
        data = f'{{"type": "search", "timestamp": "2026-03-0{day}T00:00Z"}}\n'.encode()
        s3.put(f"nights/{name}", gzip.compress(data) if name.endswith(".gz") else data)

    summary = check(Settings.of(inputs=("s3://history/nights/*",)))

    names = ["access.log.1", "access.log.2.gz", "access.log"]
    assert [each.name for each in summary.sources] == [f"s3://history/nights/{n}" for n in names]


# -- trouble ---------------------------------------------------------------------------------------


def test_a_missing_object_is_reported(s3, golden):
    with pytest.raises(SourceError) as caught:
        ByteStream("s3://history/none.jsonl")

    assert str(caught.value) == golden


@pytest.mark.parametrize("status", [403, 401, 400])
def test_a_refusal_is_reported_without_secrets(web, status, golden):
    address, pages = web
    pages.pages["/x"] = b"x"
    pages.status = status

    with pytest.raises(SourceError) as caught:
        ByteStream(f"{address}/x?sig=5ec7e7")

    assert str(caught.value) == golden

    assert "5ec7e7" not in str(caught.value)
    assert "secret-of-server" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        "GET https://h.example/certificate.csv - status code: 400",
        "error sending request: dns error: failed to lookup address",
        "invalid peer certificate: UnknownIssuer",
        "tcp connect error: Connection refused (os error 111)",
        "operation timed out",
        "PUT http://169.254.169.254/latest/api/token",
        "<Code>InvalidAccessKeyId</Code>",
        "source: MissingAccount",
        "<Code>ExpiredToken</Code>",
        "<Code>PermanentRedirect</Code>",
        "status code: 500 Internal",
        "something else",
    ],
)
def test_an_error_of_a_store_is_explained(error, golden):
    from miso_upload.sources.remote.stores import explained

    assert str(explained("s3", "s3://b/x", ValueError(error))) == golden


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [("Connection refused", 3), ("status code: 503", 3), ("status code: 400", 2), ("dns error", 3)],
)
def test_a_temporary_error_has_the_exit_code_for_a_rerun(error, exit_code):
    from miso_upload.sources.remote.stores import explained

    assert explained("s3", "s3://b/x", ValueError(error)).exit_code == exit_code


def test_an_unencrypted_endpoint_on_another_host_is_refused(s3, monkeypatch, golden):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store.example:9000")

    with pytest.raises(SourceError) as caught:
        ByteStream("s3://history/x")

    assert str(caught.value) == golden


def test_a_missing_package_is_reported_with_the_install_command(tmp_path):
    (tmp_path / "obstore.py").write_text("raise ImportError")

    done = subprocess.run(
        [sys.executable, "-m", "miso_upload", "s3://b/x", "--dry-run"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "pip install 'miso-upload[remote]'" in done.stderr
    assert "Traceback" not in done.stderr


# -- the program -----------------------------------------------------------------------------------


def test_all_commands_accept_a_url(s3, run, tmp_path):
    rows = [row(n, timestamp="x") if n % 10 == 5 else row(n) for n in range(100)]
    file = write_rows(tmp_path / "local.jsonl", rows)
    url = s3.put("commands.jsonl.gz", gzip.compress(file.read_bytes()))
    here = {"cwd": tmp_path}

    with Sandbox() as sandbox:
        to = ["--server", sandbox.url, "--max-reject-rate", "1"]
        here["env"] = {**os.environ, "MISO_API_KEY": sandbox.key}
        done = run(url, *to, "--json", **here)
        again = run(file, *to, "--json", **here)
        init = run("init", url, "-o", "-", **here)
        preview = run("preview", url, "--rows", "1", **here)
        status = run("status", url, "--json", **here)
        rejects = run("rejects", url, **here)

    (source,) = json.loads(done.stdout)["sources"]
    assert source["name"] == url
    assert source["rejects_file"] == "commands.jsonl.gz.rejects.jsonl"
    counts = source["totals"]
    assert (counts["rows"], counts["accepted"], counts["rejected"]) == (100, 90, 10)
    assert json.loads(again.stdout)["this_run"]["rows"] == 0
    assert url in again.stderr
    assert url in init.stderr
    assert "product_detail_page_view" in preview.stdout
    assert [each["accepted_at_target"] for each in json.loads(status.stdout)] == [90]
    assert [json.loads(line)["line"] for line in rejects.stdout.splitlines()][:2] == [6, 16]
    assert json.loads(rejects.stdout.splitlines()[0])["source"] == url


def test_no_secret_of_a_url_is_shown_or_stored(web, run, tmp_path):
    address, pages = web
    pages.pages["/x.jsonl"] = write_rows(tmp_path / "x", [row(1), row(2, type=3)]).read_bytes()
    url = f"{address}/x.jsonl?sig=5ec7e7"

    with Sandbox() as sandbox:
        here = {"cwd": tmp_path, "env": {**os.environ, "MISO_API_KEY": sandbox.key}}  # fmt: skip
        done = [
            run(url, "--server", sandbox.url, "--report", "r.json", "--json", **here),
            run("status", url, "--json", **here), run("rejects", url, **here),
            run("init", url, "-o", "m.toml", **here), run("preview", url, **here),
        ]  # fmt: skip

    assert [each["accepted_at_target"] for each in json.loads(done[1].stdout)] == [1]
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"5ec7e7" not in written
    assert "5ec7e7" not in "".join(each.stdout + each.stderr for each in done)


def test_rows_added_to_an_object_are_sent_by_the_next_run(s3, run, tmp_path):
    file = write_rows(tmp_path / "x", [row(n) for n in range(3000)])
    url = s3.put("grows.jsonl", file.read_bytes())
    with Sandbox() as sandbox:
        here = {"cwd": tmp_path, "env": {**os.environ, "MISO_API_KEY": sandbox.key}}  # fmt: skip
        run(url, "--server", sandbox.url, **here)
        s3.put("grows.jsonl", write_rows(file, [row(n) for n in range(3500)]).read_bytes())
        done = run(url, "--server", sandbox.url, "--json", **here)

        totals = json.loads(done.stdout)["totals"]
        assert (totals["rows"], totals["accepted"]) == (3500, 3500)
        assert Counter(each["user_id"] for each in sandbox.records()).most_common(1)[0][1] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a matter of POSIX")
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress, zipped, as_parquet])
def test_a_killed_upload_from_a_store_resumes(s3, tmp_path, pack):
    rows = 20_000
    data = write_rows(tmp_path / "x", [row(n) for n in range(rows)]).read_bytes()
    url = s3.put("killed.jsonl", pack(data))
    with Sandbox() as sandbox:
        command = (url, "--server", sandbox.url, "--json", "--chunk-size", 500)
        environment = {**os.environ, "MISO_API_KEY": sandbox.key}
        killed = 0
        while True:
            with started_program(
                *command, env=environment, cwd=tmp_path,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            ) as process:  # fmt: skip
                if killed < 3:
                    for _ in range(4):
                        process.stderr.readline()
                    process.send_signal(signal.SIGKILL)
                process.communicate()
            if process.returncode != -signal.SIGKILL:
                break
            killed += 1
        arrived = Counter(each["user_id"] for each in sandbox.records())

    assert killed == 3
    assert process.returncode == 0
    assert len(arrived) == rows
    assert sum(arrived.values()) - rows <= killed * 4 * 500


@pytest.mark.skipif(sys.platform == "win32", reason="signals are a matter of POSIX")
def test_a_signal_interrupts_the_wait_for_a_server(web, tmp_path, golden):
    address, pages = web
    from threading import Event

    asked, go_on = Event(), Event()
    pages.pages["/x"] = b"x"
    pages.on_request = lambda: (asked.set(), go_on.wait(30))
    with started_program(
        *(f"{address}/x", "--dry-run"),
        stderr=subprocess.PIPE,
    ) as process:
        assert asked.wait(30)

        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    go_on.set()

    assert process.returncode == 130
    assert said.decode() == golden
