import errno
import json
import os
import stat
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload import rejects as rejects_module
from miso_upload.encoding import decode
from miso_upload.errors import LedgerError
from miso_upload.records import Reason, Rejection
from miso_upload.rejects import RejectsFile, rejection_line, rejects_path

BAD = (Reason("timestamp", "is not a date-time", '"2025-13-01"'), Reason("type", "is missing"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rejects.jsonl"


@pytest.fixture
def open_file(path):
    opened = []

    def open_it(known=None, *, ours=False):
        opened.append(RejectsFile(path, known, ours=ours))
        return opened[-1]

    yield open_it
    for each in opened:
        each.close()


def rejection(line, row=None):
    return Rejection(line, BAD, {"n": line} if row is None else row)


def lines_in(path):
    return [json.loads(line)["line"] for line in path.read_text().splitlines()]


def test_a_line_says_where_the_row_stood_why_it_is_here_and_what_it_was():
    line = rejection_line("history.jsonl", Rejection(812, BAD, {"type": 3}, by="miso"))

    assert json.loads(line) == {
        "source": "history.jsonl",
        "line": 812,
        "by": "miso",
        "reasons": ['timestamp "2025-13-01" is not a date-time', "type is missing"],
        "row": {"type": 3},
    }
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1


def test_what_is_judged_again_begins_a_new_file(path, open_file):
    open_file(ours=True).add("a.jsonl", [rejection(1)])

    again = open_file(sys.maxsize, ours=True)
    again.begin_anew("a.jsonl")
    assert not path.exists()
    again.add("a.jsonl", [rejection(2)])

    assert lines_in(path) == [2]


def test_a_file_that_is_replaced_keeps_the_mode_that_the_user_gave_it(path, open_file):
    open_file(ours=True).add("a.jsonl", [rejection(1)])
    path.chmod(0o640)

    again = open_file(sys.maxsize, ours=True)
    again.begin_anew("a.jsonl")
    again.add("a.jsonl", [rejection(2)])

    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("ours", "others"), [(False, "a.jsonl"), (True, "b.jsonl")], ids=["the user's", "of others"]
)
def test_a_file_that_holds_more_than_what_is_judged_again_is_kept(path, open_file, ours, others):
    open_file(ours=True).add(others, [rejection(1)])

    again = open_file(sys.maxsize, ours=ours)
    again.begin_anew("a.jsonl")
    again.add("a.jsonl", [rejection(2)])

    assert lines_in(path) == [1, 2]


def nested(depth):
    row = []
    for _ in range(depth):
        row = [row]
    return row


@pytest.mark.parametrize(
    "row", [nested(300), nested(5000), 2**70, {"n": 2**64}, {"a": "\ud800"}, float("nan"), b"bytes"]
)
def test_a_row_that_json_cannot_hold_is_kept_as_text(row):
    line = json.loads(rejection_line("a.jsonl", rejection(3, row)))

    assert line["line"] == 3


def test_a_number_of_too_many_digits_does_not_stop_anything():
    line = json.loads(rejection_line("a.jsonl", rejection(3, 10 ** (sys.get_int_max_str_digits()))))

    assert line["row"] == "(cannot be shown)"


def test_a_name_need_not_be_utf8():
    line = json.loads(rejection_line(os.fsdecode(b"caf\xe9.jsonl"), rejection(3)))

    assert line["source"] == "caf\\udce9.jsonl"
    assert line["row"] == str({"n": 3})


@given(st.text(), st.recursive(st.text() | st.integers() | st.none(), st.lists, max_leaves=5))
def test_every_line_is_one_line_of_json(source, row):
    line = rejection_line(source, rejection(1, row))

    assert line.count(b"\n") == 1
    assert decode(line)["line"] == 1


def test_a_file_lies_beside_its_input():
    assert str(rejects_path("data/history.csv.gz")) == "data/history.csv.gz.rejects.jsonl"


def test_nothing_is_made_until_there_is_something_to_write(path, open_file):
    file = open_file()
    file.close()

    assert not path.exists()
    assert not file.is_open


def test_only_the_owner_may_read_it(path, open_file):
    open_file().add("a", [rejection(1)])

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_added_stands_behind_what_was_there(path, open_file):
    file = open_file()

    lengths = [file.add("a", [rejection(1), rejection(2)]), file.add("b", [rejection(3)])]

    assert lines_in(path) == [1, 2, 3]
    assert lengths[-1] == path.stat().st_size


def test_what_a_dead_run_did_not_commit_is_cut_off(path, open_file):
    committed = open_file().add("a", [rejection(1)])
    open_file(committed).add("a", [rejection(2), rejection(3)])

    open_file(committed).add("a", [rejection(2)])

    assert lines_in(path) == [1, 2]


@pytest.mark.parametrize("size", [1, 5, 12, 30])
def test_a_piece_of_a_line_is_cut_off_however_small(path, open_file, size):
    committed = open_file().add("a", [rejection(1)])
    with path.open("ab") as file:
        file.write(rejection_line("a", rejection(2))[:size])

    assert open_file(committed).open() == committed


def test_what_others_wrote_behind_is_left_alone(path, open_file):
    committed = open_file().add("a", [rejection(1)])
    with path.open("a") as file:
        file.write("a note of mine")

    open_file(committed).add("a", [rejection(2)])

    first, note, second = path.read_text().splitlines()
    assert note == "a note of mine"
    assert [json.loads(line)["line"] for line in (first, second)] == [1, 2]


def test_a_file_that_was_emptied_is_begun_anew(path, open_file):
    committed = open_file().add("a", [rejection(1)])
    path.write_text("")

    open_file(committed).add("a", [rejection(2)])

    assert lines_in(path) == [2]


def test_a_file_that_the_user_named_is_only_added_to(path, open_file):
    open_file().add("a", [rejection(1)])

    open_file().add("a", [rejection(2)])

    assert lines_in(path) == [1, 2]


def test_a_file_of_our_own_name_that_the_ledger_does_not_know_is_replaced(path, open_file):
    """It is of another target, or from before a restart."""
    open_file().add("a", [rejection(1)])

    open_file(ours=True).add("a", [rejection(2)])

    assert lines_in(path) == [2]


def test_what_the_ledger_could_not_commit_can_be_taken_back(path, open_file):
    file = open_file()
    file.add("a", [rejection(1)])
    file.add("a", [rejection(2)])

    file.take_back()
    file.add("a", [rejection(3)])

    assert lines_in(path) == [1, 3]


def test_a_full_disk_is_said_and_leaves_no_half_a_line(path, open_file, monkeypatch):
    file = open_file()
    committed = file.add("a", [rejection(1)])
    write = os.write

    def almost_full(descriptor, data):
        if len(data) > 10:
            return write(descriptor, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(rejects_module.os, "write", almost_full)

    with pytest.raises(LedgerError, match="No space left on device") as caught:
        file.add("a", [rejection(2)])

    assert "miso-upload rejects FILE" in str(caught.value)
    assert path.stat().st_size == committed


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(LedgerError, match="cannot be written"):
        RejectsFile(tmp_path / "nowhere" / "rejects.jsonl").open()
    with pytest.raises(LedgerError, match="cannot be written"):
        RejectsFile(tmp_path).open()
