from __future__ import annotations

import gzip
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from miso_upload.errors import ChangedSourceError, WorkerError
from miso_upload.pipeline.interrupt import StopSignal
from miso_upload.pipeline.job import Job
from miso_upload.pipeline.settings import Settings
from miso_upload.pipeline.workers import InProcess, worker_count
from miso_upload.pipeline.workers.pool import WorkerPool
from miso_upload.records import Block
from miso_upload.sources import ReadingOptions, Source

ROW = '{{"type":"home_page_view","timestamp":"2026-03-01T10:00:00Z","user_id":"u{}"}}\n'


@pytest.fixture
def history(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text("".join(ROW.format(n) for n in range(200)) + "nonsense\n")
    return path


@pytest.fixture
def pool():
    pool = WorkerPool(2, StopSignal())
    yield pool
    pool.close()


def opened(path, rows=7):
    source = Source(str(path), ReadingOptions(chunk_size=rows))
    transform = Job(Settings.of(inputs=(str(path),), dry_run=True)).transform(source)
    return source, transform


def made(pool, path, rows=7):
    source, transform = opened(path, rows)
    with source:
        work = ((block, None) for block in source.blocks(source.body_start, source.body_line))
        return [batch for batch, _ in pool.run(transform, work, source.path)]


def test_workers_make_the_batches_that_one_process_makes_in_the_same_order(history, pool):
    assert made(pool, history) == made(InProcess(), history)


def test_blocks_of_a_compressed_file_are_sent_to_the_workers(history, pool, tmp_path):
    compressed = tmp_path / "history.jsonl.gz"
    compressed.write_bytes(gzip.compress(history.read_bytes()))

    source, _ = opened(compressed)
    with source:
        assert source.path is None
    assert made(pool, compressed) == made(InProcess(), history)


def test_one_pool_serves_one_source_after_the_other(history, pool, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("type,timestamp,user_id\nhome_page_view,2026-03-01T10:00:00Z,u1\n")

    for path in (history, other, history):
        assert made(pool, path) == made(InProcess(), path)


def test_what_is_wrong_with_a_source_comes_after_all_that_is_right_with_it(history, pool):
    source, transform = opened(history)

    error = ChangedSourceError("here it ends")

    def breaking():
        yield from ((block, None) for block in source.blocks(source.body_start, 1))
        raise error

    seen = []
    with source, pytest.raises(ChangedSourceError) as caught:
        seen.extend(each for each in pool.run(transform, breaking(), source.path))
    assert caught.value is error
    assert sum(batch.rows for batch, _ in seen) == 201


def test_bytes_that_changed_before_a_worker_read_them_are_noticed(history, pool, golden):
    source, transform = opened(history)
    with source:
        blocks = list(source.blocks(source.body_start, 1))
        history.write_text(history.read_text().replace("u100", "x100"))

        with pytest.raises(ChangedSourceError) as caught:
            list(pool.run(transform, ((block, None) for block in blocks), source.path))

    assert str(caught.value) == golden


def test_a_worker_that_is_killed_is_an_error_and_no_hang(history, pool):
    source, transform = opened(history)
    for process in pool._processes:
        process.kill()

    work = ((block, None) for block in source.blocks(source.body_start, 1))
    with source, pytest.raises(WorkerError) as caught:
        list(pool.run(transform, work, source.path))

    assert "signal 9" in str(caught.value)
    assert "--workers 0" in str(caught.value)


def test_what_a_transform_raises_is_raised_where_its_batch_is_waited_for(pool):
    block = Block(1, 0, 1, 1, 1, b"x")

    with pytest.raises(ZeroDivisionError):
        list(pool.run(divide, [(block, None)], None))


def test_what_a_transform_prints_does_not_get_between_the_results(pool, history):
    source, transform = opened(history)
    with source:
        blocks = list(source.blocks(source.body_start, 1))
    batches = [
        batch for batch, _ in pool.run(partial(talk, transform), [(b, None) for b in blocks])
    ]

    assert batches == [transform(block) for block in blocks]


def test_a_run_that_is_to_stop_does_not_wait_for_its_workers(history):
    stop = StopSignal()
    pool = WorkerPool(1, stop)
    try:
        stop.set()
        block = Block(1, 0, 1, 1, 1, b"x")
        assert list(pool.run(sleep, [(block, None)], None)) == []
    finally:
        pool.close()


def environment_of(pid):
    """Return the environment of a process; for a moment, one that is being started has none."""
    deadline = time.monotonic() + 30
    while True:
        found = Path(f"/proc/{pid}/environ").read_bytes()
        if found:
            return found
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="there is no /proc here")
def test_no_secret_is_in_the_environment_of_a_worker(monkeypatch):
    monkeypatch.setenv("MISO_API_KEY", "sentinel-key")
    monkeypatch.setenv("MISO_ANONYMOUS_ID_SALT", "sentinel-salt")
    pool = WorkerPool(1, StopSignal())
    try:
        assert b"sentinel" not in environment_of(pool._processes[0].pid)
    finally:
        pool.close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing can be killed so here")
def test_workers_end_when_the_program_is_killed(tmp_path):
    code = (
        "import sys, time\n"
        "from miso_upload.pipeline.interrupt import StopSignal\n"
        "from miso_upload.pipeline.workers.pool import WorkerPool\n"
        "pool = WorkerPool(1, StopSignal())\n"
        "print(pool._processes[0].pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as program:
        worker = int(program.stdout.readline())
        program.kill()
    deadline = time.monotonic() + 30
    while _is_alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_alive(worker)


@pytest.mark.parametrize(
    ("asked", "sizes", "processors", "count"),
    [
        ("auto", [10], 4, 0),
        ("auto", [10, 2**30], 4, 4),
        ("auto", [None], 2, 2),
        ("auto", [2**30], 1, 0),
        ("auto", [2**30], 64, 8),
        (3, [10], 1, 3),
        (0, [2**30], 4, 0),
    ],
)
def test_auto_uses_the_processors_where_there_is_enough_to_do(
    asked, sizes, processors, count, monkeypatch
):
    monkeypatch.setattr("miso_upload.pipeline.workers.in_process._processors", lambda: processors)

    assert worker_count(asked, sizes) == count


def _is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def divide(block):
    return 1 // 0


def sleep(block):
    time.sleep(60)


def talk(transform, block):
    print("hello")
    return transform(block)
