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


def test_patterns_are_taken_in_sorted_order_and_names_as_they_come(folder):
    make(folder, "b.jsonl", "a.jsonl", "c.csv", "day=2/x.jsonl", "day=1/x.jsonl")

    assert expand_inputs(["c.csv", "*.jsonl"])[0] == ["c.csv", "a.jsonl", "b.jsonl"]
    assert expand_inputs(["day=*/*.jsonl"])[0] == ["day=1/x.jsonl", "day=2/x.jsonl"]
    assert expand_inputs(["**/x.jsonl"])[0] == ["day=1/x.jsonl", "day=2/x.jsonl"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(folder):
    make(folder, "a[1].jsonl", "a1.jsonl")

    assert expand_inputs(["a[1].jsonl"])[0] == ["a[1].jsonl"]


def test_without_such_a_file_brackets_are_a_pattern(folder):
    make(folder, "a1.jsonl", "a2.jsonl", "a3.jsonl")

    assert expand_inputs(["a[12].jsonl"])[0] == ["a1.jsonl", "a2.jsonl"]


def test_each_input_is_taken_once(folder):
    make(folder, "a.jsonl", "b.jsonl")

    assert expand_inputs(["b.jsonl", "*.jsonl", "b.jsonl", "-", "-"])[0] == [
        "b.jsonl",
        "a.jsonl",
        "-",
    ]


def test_our_own_rejects_files_are_left_out(folder, golden):
    make(folder, "a.jsonl", "a.jsonl.rejects.jsonl")

    files, notes = expand_inputs(["*.jsonl"])

    assert files == ["a.jsonl"]
    assert notes == golden


def test_folders_that_a_pattern_matches_are_no_inputs(folder):
    make(folder, "a/b.jsonl", "a.jsonl")

    assert expand_inputs(["a*"])[0] == ["a.jsonl"]


@pytest.mark.parametrize("name", ["no.jsonl", "", "no/where.jsonl", "nul\0byte"])
def test_a_name_that_is_no_file_is_refused(folder, name, golden):
    assert refusal(name) == golden


def test_a_name_below_a_file_is_refused(folder, golden):
    make(folder, "a.jsonl")

    assert refusal("a.jsonl/b") == golden


def test_a_name_longer_than_names_can_be_is_refused(folder, golden):
    assert refusal("x" * 5000).removeprefix("x" * 5000) == golden


@pytest.mark.parametrize(
    "pattern",
    ["*.jsonl", "[", "no/*", "*\0", "?" * 5000],
    ids=["a suffix", "a bracket", "a folder", "a NUL", "too long"],
)
def test_a_pattern_that_matches_nothing_is_refused(folder, pattern, golden):
    assert refusal(pattern).removeprefix(pattern) == golden


@pytest.mark.parametrize("name", ["day", "day/"])
def test_a_folder_means_the_files_in_it(folder, name):
    make(folder, "day/b.jsonl", "day/a.jsonl", "other.jsonl")

    assert expand_inputs([name]) == (["day/a.jsonl", "day/b.jsonl"], [])


def test_what_is_left_out_of_a_folder_is_told(folder, golden):
    make(
        folder, "day/a", "day/.a.swp", "day/.b", "day/old/b", "day/a.rejects.jsonl", "day/sum.json"
    )

    files, notes = expand_inputs(["day"], own=[str(folder / "day" / "sum.json")])

    assert files == ["day/a"]
    assert notes == golden


def test_a_file_that_the_run_uses_is_an_input_where_the_user_names_it(folder):
    make(folder, "day/a")

    assert expand_inputs(["day/a"], own=["day/a"]) == (["day/a"], [])


def test_links_in_a_folder_are_followed_and_those_that_lead_nowhere_are_for_opening_to_name(folder):
    make(folder, "day/a", "elsewhere/b")
    (folder / "day" / "link").symlink_to("../elsewhere/b")
    (folder / "day" / "nowhere").symlink_to("gone")
    (folder / "day" / "loop").symlink_to("loop")

    assert expand_inputs(["day"])[0] == ["day/a", "day/link", "day/loop", "day/nowhere"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
@pytest.mark.parametrize("name", ["day", "day/*"])
def test_what_is_no_file_is_passed_over_by_name(folder, name, golden):
    make(folder, "day/a")
    os.mkfifo(folder / "day" / "pipe")
    (folder / "day" / "zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("day/socket")

        files, notes = expand_inputs([name])

    assert files == ["day/a"]
    assert notes == golden


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
def test_a_pattern_that_matches_a_pipe_only_says_what_it_is(folder, golden):
    os.mkfifo(folder / "pipe")

    assert refusal("p*").splitlines() == golden


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such pipes")
def test_a_pipe_that_is_named_is_an_input(folder):
    os.mkfifo(folder / "pipe")

    assert expand_inputs(["pipe"]) == (["pipe"], [])


@pytest.mark.parametrize("names", [[], ["day/.hidden"], ["day/below/a"]])
def test_a_folder_without_files_is_refused(folder, names, golden):
    (folder / "day").mkdir()
    make(folder, *names)

    assert refusal("day") == golden


def test_a_link_to_nowhere_is_refused(folder, golden):
    (folder / "a.jsonl").symlink_to("gone")

    assert refusal("a.jsonl") == golden


@pytest.mark.skipif(
    sys.platform == "win32" or not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="nothing is forbidden to this user",
)
def test_a_file_behind_a_closed_door_is_refused(folder):
    make(folder, "closed/a.jsonl")
    (folder / "closed").chmod(0)

    try:
        assert "Permission denied" in refusal("closed/a.jsonl")
    finally:
        (folder / "closed").chmod(0o700)


def test_a_door_that_does_not_open_is_refused(folder, monkeypatch, golden):
    """As above, for a user to whom nothing is forbidden."""

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.stat", refuse)

    assert refusal("a.jsonl") == golden


def test_a_pattern_that_is_made_to_take_long_does_not(folder, golden):
    make(folder, "a" * 200)

    assert refusal("a*" * 30 + "b") == golden
