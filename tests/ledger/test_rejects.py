import errno
import json
import os
import stat
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.errors import LedgerError
from miso_upload.ledger import rejects_file as rejects_module
from miso_upload.ledger.rejects_file import RejectsFile, rejection_line, rejects_path
from miso_upload.records import Reason, Rejection
from miso_upload.values.json import decode

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
    again.restart("a.jsonl")
    assert not path.exists()
    again.add("a.jsonl", [rejection(2)])

    assert lines_in(path) == [2]


def test_a_file_that_is_replaced_keeps_the_mode_that_the_user_gave_it(path, open_file):
    open_file(ours=True).add("a.jsonl", [rejection(1)])
    path.chmod(0o640)

    again = open_file(sys.maxsize, ours=True)
    again.restart("a.jsonl")
    again.add("a.jsonl", [rejection(2)])

    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("ours", "others"), [(False, "a.jsonl"), (True, "b.jsonl")], ids=["the user's", "of others"]
)
def test_a_file_that_holds_more_than_what_is_judged_again_is_kept(path, open_file, ours, others):
    open_file(ours=True).add(others, [rejection(1)])

    again = open_file(sys.maxsize, ours=ours)
    again.restart("a.jsonl")
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


def test_a_number_of_too_many_digits_does_not_stop_anything(golden):
    line = json.loads(rejection_line("a.jsonl", rejection(3, 10 ** (sys.get_int_max_str_digits()))))

    assert line["row"] == golden


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


@pytest.mark.parametrize(
    "name", ["a" * 242, "a" * 255, "\u65e5" * 81 + ".csv", "s3://b/" + "k" * 300]
)
def test_a_name_that_would_be_too_long_is_cut_and_hashed(name, tmp_path):
    path = tmp_path / rejects_path(name)

    path.write_bytes(b"")
    assert path.name.startswith(name.rpartition("/")[2][:20])
    assert path.name.endswith(".rejects.jsonl")
    assert rejects_path(name[:-1] + "b") != rejects_path(name)


def test_the_longest_name_that_fits_is_kept():
    assert str(rejects_path("a" * 241)) == "a" * 241 + ".rejects.jsonl"


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


def test_an_emptied_file_is_started_again(path, open_file):
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


def test_a_full_disk_is_said_and_leaves_no_half_a_line(path, open_file, monkeypatch, golden):
    file = open_file()
    committed = file.add("a", [rejection(1)])
    write = os.write

    def almost_full(descriptor, data):
        if len(data) > 10:
            return write(descriptor, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(rejects_module.os, "write", almost_full)

    with pytest.raises(LedgerError) as caught:
        file.add("a", [rejection(2)])
    assert str(caught.value) == golden

    assert path.stat().st_size == committed


def test_a_place_that_cannot_be_written_is_said(tmp_path, golden):
    with pytest.raises(LedgerError) as caught:
        RejectsFile(tmp_path / "nowhere" / "rejects.jsonl").open()
    assert str(caught.value) == golden
    with pytest.raises(LedgerError) as caught:
        RejectsFile(tmp_path).open()
    assert str(caught.value) == golden


BIG = 2**64 + 1
EXACT = [
    b'{"n": 18446744073709551617}',
    b'{"a": 1.10, "a": 1E5, "b": "\\u00e9"}',
    b'\t{"a":\t[ 1,\r2 ]}  \r',
    '{"text": "tab\\t, line\u2028end, \u0085 and \u202e"}'.encode(),
    b"[" * 300 + b"]" * 300,
    b"123456789012345678901234567890",
    b"null",
]


@pytest.mark.parametrize("text", EXACT)
def test_a_row_is_written_as_its_own_text(text):
    line = rejection_line("a.jsonl", Rejection(1, BAD, {"other": 1}, text=text))

    assert line.count(b"\n") == 1
    assert line.decode().removesuffix("\n").isprintable()
    assert json.loads(line)["row"] == json.loads(text)
    spaces = bytes.maketrans(b"\t\r\n", b"   ")
    assert not text.isascii() or text.translate(spaces).strip() in line


@pytest.mark.parametrize("text", [b"{", b"{} {}", b"NaN", b'{"a": "\xff"}', b"[" * 2000])
def test_a_text_that_is_no_json_leaves_the_row_as_it_was_shown(text):
    line = rejection_line("a.jsonl", Rejection(1, BAD, "shown", text=text))

    assert json.loads(line)["row"] == "shown"


def test_a_row_is_left_out_with_its_text():
    line = rejection_line("a.jsonl", Rejection(1, BAD, {}, text=b'{"ip": 1}'), row=False)

    assert b"ip" not in line
    assert "row" not in json.loads(line)


@given(
    st.recursive(
        st.text() | st.integers() | st.booleans() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    ),
    st.sampled_from([None, 0, 1, "\t"]),
)
def test_any_json_text_stays_what_it_says(value, indent):
    text = json.dumps(value, ensure_ascii=False, indent=indent).encode(errors="surrogatepass")

    line = rejection_line("a.json", Rejection(1, BAD, value, text=text))

    assert line.count(b"\n") == 1
    assert json.loads(line)["row"] == value or b"\xed" in text


HISTORIES = {
    "h.jsonl": "".join(f"{text}\n" for text in ("{{0}}", '{{"n": {0}, "m": 1.10}}')),
    "h.json": '[{{"n": {0},\n "m": 1.10}}, 5\n , {{"n": {0}}}]',
    "h.csv": "n,m\n{0},1.10\n",
    "h.txt": '{{"n": {0}}}\n',
}


@pytest.mark.parametrize("name", HISTORIES)
@pytest.mark.parametrize("options", [(), ("--workers", "1"), ("--transform", "t.py")])
def test_rejected_rows_have_the_digits_that_were_read(name, options, tmp_path, run):
    (tmp_path / name).write_text(HISTORIES[name].format(BIG))
    (tmp_path / "t.py").write_text("def transform(row):\n    return {**row, 'n': 0}\n")
    format_ = ("--format", "jsonl") if name == "h.txt" else ()

    run(name, *format_, "--sandbox", "--max-reject-rate", 1, "--rejects", "r", *options,
        cwd=tmp_path)  # fmt: skip

    rows = [json.loads(line)["row"] for line in (tmp_path / "r").read_text().splitlines()]
    assert rows[0] in ({"n": BIG, "m": 1.1}, {"n": str(BIG), "m": "1.10"}, {"n": BIG}, "{0}")
    assert str(BIG) in (tmp_path / "r").read_text()
    assert "e+19" not in (tmp_path / "r").read_text()


def test_rejected_rows_are_printed_again_with_the_digits_that_were_read(tmp_path, run):
    (tmp_path / "h.json").write_text(HISTORIES["h.json"].format(BIG))
    upload = ("h.json", "--server", "http://127.0.0.1:9", "--max-reject-rate", 1)
    run(*upload, cwd=tmp_path, env={**os.environ, "MISO_API_KEY": "k"})

    printed = run("rejects", "h.json", cwd=tmp_path).stdout

    assert printed == (tmp_path / "h.json.rejects.jsonl").read_text()
    assert [json.loads(line)["row"] for line in printed.splitlines()] == [
        {"n": BIG, "m": 1.1},
        5,
        {"n": BIG},
    ]
