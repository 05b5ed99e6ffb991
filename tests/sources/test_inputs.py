import os
import socket
import sys

import pytest

from miso_upload.errors import SourceError
from miso_upload.sources import expand_inputs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def refusal(name):
    with pytest.raises(SourceError) as caught:
        expand_inputs([name])
    return str(caught.value)


def test_patterns_are_sorted_and_names_keep_their_order(folder):
    make(folder, "b.jsonl", "a.jsonl", "c.csv", "day=2/x.jsonl", "day=1/x.jsonl")

    assert expand_inputs(["c.csv", "*.jsonl"])[0] == ["c.csv", "a.jsonl", "b.jsonl"]
    assert expand_inputs(["day=*/*.jsonl"])[0] == ["day=1/x.jsonl", "day=2/x.jsonl"]
    assert expand_inputs(["**/x.jsonl"])[0] == ["day=1/x.jsonl", "day=2/x.jsonl"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(folder):
    make(folder, "a[1].jsonl", "a1.jsonl")

    assert expand_inputs(["a[1].jsonl"])[0] == ["a[1].jsonl"]


def test_brackets_are_a_pattern_unless_a_file_has_that_name(folder):
    make(folder, "a1.jsonl", "a2.jsonl", "a3.jsonl")

    assert expand_inputs(["a[12].jsonl"])[0] == ["a1.jsonl", "a2.jsonl"]


def test_each_input_is_read_once(folder):
    make(folder, "a.jsonl", "b.jsonl")

    assert expand_inputs(["b.jsonl", "*.jsonl", "b.jsonl", "-", "-"])[0] == [
        "b.jsonl",
        "a.jsonl",
        "-",
    ]


def test_rejects_files_are_left_out(folder, golden):
    make(folder, "a.jsonl", "a.jsonl.rejects.jsonl")

    files, notes = expand_inputs(["*.jsonl"])

    assert files == ["a.jsonl"]
    assert notes == golden


def test_directories_that_match_a_pattern_are_not_inputs(folder):
    make(folder, "a/b.jsonl", "a.jsonl")

    assert expand_inputs(["a*"])[0] == ["a.jsonl"]


@pytest.mark.parametrize("name", ["no.jsonl", "", "no/where.jsonl", "nul\0byte"])
def test_a_name_that_is_not_a_file_is_refused(folder, name, golden):
    assert refusal(name) == golden


def test_a_name_below_a_file_is_refused(folder, golden):
    make(folder, "a.jsonl")

    assert refusal("a.jsonl/b") == golden


def test_a_name_that_is_too_long_is_refused(folder, golden):
    assert refusal("x" * 5000).removeprefix("x" * 5000) == golden


@pytest.mark.parametrize(
    "pattern",
    ["*.jsonl", "[", "no/*", "*\0", "?" * 5000],
    ids=["a suffix", "a bracket", "a folder", "a NUL", "too long"],
)
def test_a_pattern_that_matches_nothing_is_refused(folder, pattern, golden):
    assert refusal(pattern).removeprefix(pattern) == golden


@pytest.mark.parametrize("name", ["day", "day/"])
def test_a_directory_means_its_files(folder, name):
    make(folder, "day/b.jsonl", "day/a.jsonl", "other.jsonl")

    assert expand_inputs([name]) == (["day/a.jsonl", "day/b.jsonl"], [])


def test_files_left_out_of_a_directory_are_reported(folder, golden):
    make(
        folder, "day/a", "day/.a.swp", "day/.b", "day/old/b", "day/a.rejects.jsonl", "day/sum.json"
    )

    files, notes = expand_inputs(["day"], own=[str(folder / "day" / "sum.json")])

    assert files == ["day/a"]
    assert notes == golden


def test_a_file_that_the_run_uses_is_an_input_if_it_is_named(folder):
    make(folder, "day/a")

    assert expand_inputs(["day/a"], own=["day/a"]) == (["day/a"], [])


def test_links_in_a_directory_are_followed_and_dangling_ones_are_inputs(folder):
    make(folder, "day/a", "elsewhere/b")
    (folder / "day" / "link").symlink_to("../elsewhere/b")
    (folder / "day" / "nowhere").symlink_to("gone")
    (folder / "day" / "loop").symlink_to("loop")

    assert expand_inputs(["day"])[0] == ["day/a", "day/link", "day/loop", "day/nowhere"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
@pytest.mark.parametrize("name", ["day", "day/*"])
def test_pipes_sockets_and_devices_are_left_out_and_reported(folder, name, golden):
    make(folder, "day/a")
    os.mkfifo(folder / "day" / "pipe")
    (folder / "day" / "zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("day/socket")

        files, notes = expand_inputs([name])

    assert files == ["day/a"]
    assert notes == golden


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
def test_a_pattern_that_matches_only_a_pipe_is_refused(folder, golden):
    os.mkfifo(folder / "pipe")

    assert refusal("p*").splitlines() == golden


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such pipes")
def test_a_pipe_that_is_named_explicitly_is_an_input(folder):
    os.mkfifo(folder / "pipe")

    assert expand_inputs(["pipe"]) == (["pipe"], [])


@pytest.mark.parametrize("names", [[], ["day/.hidden"], ["day/below/a"]])
def test_a_directory_without_files_is_refused(folder, names, golden):
    (folder / "day").mkdir()
    make(folder, *names)

    assert refusal("day") == golden


def test_a_dangling_link_is_refused(folder, golden):
    (folder / "a.jsonl").symlink_to("gone")

    assert refusal("a.jsonl") == golden


@pytest.mark.skipif(
    sys.platform == "win32" or not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="nothing is forbidden to this user",
)
def test_a_file_in_an_inaccessible_directory_is_refused(folder):
    make(folder, "closed/a.jsonl")
    (folder / "closed").chmod(0)

    try:
        assert "Permission denied" in refusal("closed/a.jsonl")
    finally:
        (folder / "closed").chmod(0o700)


def test_a_permission_error_is_reported(folder, monkeypatch, golden):
    """As above, for a user with all permissions."""

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.stat", refuse)

    assert refusal("a.jsonl") == golden


def test_a_pathological_pattern_does_not_take_long(folder, golden):
    make(folder, "a" * 200)

    assert refusal("a*" * 30 + "b") == golden
