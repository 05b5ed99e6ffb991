import os
import stat
import subprocess
import sys

import pytest

from miso_upload.errors import MisoUploadError
from miso_upload.ledger import secret as content_secret
from miso_upload.ledger.secret import read_secret, secret_fingerprint


def test_the_first_run_makes_a_secret_and_later_ones_find_it(tmp_path):
    directory = tmp_path / "new" / "state"

    first = read_secret(directory)

    assert len(first) == 32
    assert read_secret(directory) == first
    assert [path.name for path in directory.iterdir()] == ["content.key"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_only_the_owner_can_read_the_secret_whatever_the_umask(tmp_path):
    old = os.umask(0)
    try:
        read_secret(tmp_path / "state")
    finally:
        os.umask(old)

    assert stat.S_IMODE((tmp_path / "state" / "content.key").stat().st_mode) == 0o600


def test_two_directories_have_two_secrets(tmp_path):
    assert read_secret(tmp_path / "a") != read_secret(tmp_path / "b")


def test_processes_that_start_at_once_have_one_secret(tmp_path):
    program = (
        "import sys; from pathlib import Path; from miso_upload.ledger.secret import read_secret;"
        "sys.stdin.readline(); print(read_secret(Path(sys.argv[1])).hex())"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, tmp_path / "state"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(6)
    ]  # fmt: skip
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    said = {process.communicate()[0] for process in processes}

    assert len(said) == 1
    assert os.listdir(tmp_path / "state") == ["content.key"]  # noqa: PTH208


def test_a_file_system_without_links_will_do(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)

    assert read_secret(tmp_path) == read_secret(tmp_path)


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33, b"x" * 1000], ids=len)
def test_a_damaged_secret_is_named_and_left_alone(tmp_path, content, monkeypatch, golden):
    monkeypatch.setattr(content_secret, "_POLL_SECONDS", 0)
    path = tmp_path / "content.key"
    path.write_bytes(content)

    with pytest.raises(MisoUploadError) as refused:
        read_secret(tmp_path)

    assert str(path) in str(refused.value)
    assert str(refused.value) == golden
    assert path.read_bytes() == content


def test_a_secret_that_must_be_there_is_not_made(tmp_path, golden):
    with pytest.raises(MisoUploadError) as caught:
        read_secret(tmp_path, create=False)

    assert str(caught.value) == golden
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["the file", "the directory"])
def test_what_cannot_be_read_is_named(tmp_path, what):
    if what == "the file":
        (tmp_path / "content.key").mkdir()
    else:
        tmp_path = tmp_path / "file"
        tmp_path.write_text("")

    with pytest.raises(MisoUploadError) as refused:
        read_secret(tmp_path)

    assert "--state-dir" in str(refused.value)
    assert str(tmp_path) in str(refused.value)


def test_a_fingerprint_tells_secrets_apart_and_does_not_hold_them():
    one, other = secret_fingerprint(b"a" * 32), secret_fingerprint(b"b" * 32)

    assert one == secret_fingerprint(b"a" * 32) != other
    assert len(one) == 12
    assert set(one) <= set("0123456789abcdef")
