"""A compressed file whose bytes were read before is not decompressed again, wherever it is."""

import gzip
import shutil

import pytest

from miso_upload import Settings, upload
from miso_upload.sandbox import Sandbox
from miso_upload.sources import Source, stream
from miso_upload.sources.checksums import file_checksum

ROW = '{{"type":"like","timestamp":"2025-03-01T09:30:00Z","user_id":"u{}","product_ids":["p"]}}\n'


@pytest.fixture
def run(tmp_path):
    with Sandbox(key="key") as sandbox:

        def upload_from(path):
            return upload(
                Settings.of(
                    inputs=(str(path),), server=sandbox.url, api_key="key",
                    state_dir=tmp_path / "state",
                )
            )  # fmt: skip

        yield upload_from


def write(path, rows):
    path.write_bytes(gzip.compress("".join(map(ROW.format, range(rows))).encode(), mtime=0))


def test_a_copy_with_the_same_compressed_bytes_is_not_decompressed(run, tmp_path, monkeypatch):
    write(tmp_path / "log.gz", 50)
    assert run(tmp_path / "log.gz").totals.accepted == 50
    (tmp_path / "kept").mkdir()
    shutil.copy(tmp_path / "log.gz", tmp_path / "kept" / "log.gz")
    (tmp_path / "log.gz").unlink()
    for name in ("has_spans", "blocks", "reread"):
        monkeypatch.setattr(Source, name, lambda *_: pytest.fail("it is decompressed"))

    again = run(tmp_path / "kept" / "log.gz")

    assert (again.exit_code, again.totals.accepted, again.requests) == (0, 50, 0)


def test_the_compressed_bytes_are_read_once_to_be_compared(run, tmp_path, monkeypatch):
    write(tmp_path / "log.gz", 50)
    run(tmp_path / "log.gz")
    (tmp_path / "log.gz").rename(tmp_path / "kept.gz")
    (tmp_path / "kept.gz").touch()
    asked = []
    monkeypatch.setattr(
        stream, "file_checksum", lambda path: asked.append(path) or file_checksum(path)
    )

    assert run(tmp_path / "kept.gz").totals.accepted == 50

    assert asked == [str(tmp_path / "kept.gz")]


def test_other_compressed_bytes_of_the_same_rows_are_read_and_nothing_is_sent_twice(run, tmp_path):
    path = tmp_path / "log.gz"
    write(path, 50)
    run(path)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1, mtime=1))

    again = run(path)

    assert (again.exit_code, again.totals.accepted, again.requests) == (0, 50, 0)


def test_a_compressed_file_of_which_nothing_but_the_length_is_the_same_is_read(run, tmp_path):
    path = tmp_path / "log.gz"
    write(path, 50)
    run(path)
    size = path.stat().st_size
    other = gzip.compress(ROW.format("x").encode(), mtime=0)
    path.write_bytes(other + b"\0" * (size - len(other)))
    assert path.stat().st_size == size

    again = run(path)

    assert (again.totals.rows, again.totals.accepted) == (1, 1)
