"""Inputs that are broken, and ledgers that are."""

from __future__ import annotations

import gzip
import json
import random
import sqlite3
import sys
from collections import Counter
from contextlib import closing

import pytest

from tests.helpers.crashes import BAD, GOOD
from tests.helpers.rows import last_line, row

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")

COMPRESSED = "history.jsonl.gz"
MANY = 3_000


class CompressedHistory:
    """A compressed history of many rows, which tests damage."""

    def __init__(self, case, sandbox, level=6):
        self._case, self._sandbox = case, sandbox
        self.path = case.place / COMPRESSED
        lines = [json.dumps(row(number)) for number in range(1, MANY + 1)]
        self.text = ("\n".join(lines) + "\n").encode()
        self.whole = gzip.compress(self.text, level)

    def upload(self, data, *options):
        """Upload what there is now."""
        self.path.write_bytes(data)
        options = ("--chunk-size", 500, "--max-reject-rate", 1, *options)
        return self._case.run(COMPRESSED, "--server", self._sandbox.url, *options)

    def arrived(self):
        """Return the rows that are there, in their order, and see that none is there twice."""
        found = [each["user_id"] for each in self.records()]
        assert len(found) == len(set(found))
        return found

    def records(self):
        """Return the records that are there."""
        return self._sandbox.records()

    def must_be_whole(self):
        """Each row is there, once."""
        assert set(self.arrived()) == {f"user-{number}" for number in range(1, MANY + 1)}
        self.must_be_accounted_for()

    def must_be_accounted_for(self):
        """Miso has each row, and none of them may be there twice."""
        totals = self._case.status()
        assert totals["rows"] == totals["accepted"] + totals["already_sent"] == MANY
        assert totals["duplicates"] == 0


@pytest.fixture
def compressed(case, sandbox):
    return CompressedHistory(case, sandbox)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_compressed_file_is_delivered_up_to_the_damage(share, compressed, golden):
    done = compressed.upload(compressed.whole[: int(len(compressed.whole) * share)])

    assert done.code == 3
    assert last_line(done.err) == golden
    assert len(compressed.arrived()) >= int(MANY * share * 0.8)

    assert compressed.upload(compressed.whole).code == 0
    compressed.must_be_whole()


def test_garbage_after_a_compressed_file_loses_no_row(compressed, golden):
    done = compressed.upload(compressed.whole + b"garbage")

    assert done.code == 3
    assert last_line(done.err) == golden
    compressed.must_be_whole()
    assert compressed.upload(compressed.whole).code == 0
    compressed.must_be_whole()


def test_a_wrong_checksum_is_reported_and_the_whole_file_is_compared(compressed, golden):
    broken = bytearray(compressed.whole)
    broken[-8] ^= 1

    done = compressed.upload(bytes(broken))

    assert done.code == 3
    assert last_line(done.err) == golden
    # Only the checksum was wrong.
    assert compressed.upload(compressed.whole).code == 0
    compressed.must_be_whole()


def test_rows_before_the_damage_are_delivered(case, sandbox, golden):
    """The unpacker notices this one: the length of a stored block is not what it says twice."""
    compressed = CompressedHistory(case, sandbox, level=0)
    broken = bytearray(compressed.whole)
    place = len(broken) // 2
    header = next(
        at
        for at in range(place, len(broken) - 5)
        if broken[at] == 0
        and int.from_bytes(broken[at + 1 : at + 3], "little") > 1_000
        and int.from_bytes(broken[at + 1 : at + 3], "little") ^ 0xFFFF
        == int.from_bytes(broken[at + 3 : at + 5], "little")
    )
    broken[header + 3] ^= 0xFF
    good_rows = broken[:header].count(b"\n")

    done = compressed.upload(bytes(broken))

    assert done.code == 3
    assert last_line(done.err) == golden
    longest = max(map(len, compressed.text.splitlines()))
    assert good_rows - 2**15 // longest - 30 <= len(compressed.arrived()) <= good_rows
    assert compressed.upload(compressed.whole).code == 0
    compressed.must_be_whole()


@pytest.mark.parametrize("seed", range(6))
def test_garbled_rows_are_sent_from_the_undamaged_file(seed, compressed):
    """The checksum is at the end of the file, so the rows before it are sent as they are read."""
    draw = random.Random(seed)
    broken = bytearray(compressed.whole)
    place = draw.randrange(1_000, len(broken) - 1_000)
    broken[place : place + 200] = draw.randbytes(200)

    assert compressed.upload(bytes(broken)).code == 3

    assert compressed.upload(compressed.whole).code == 0

    compressed.must_be_accounted_for()
    there = Counter(json.dumps(record, sort_keys=True) for record in compressed.records())
    good = [json.dumps(row(number), sort_keys=True) for number in range(1, MANY + 1)]
    assert {there[each] for each in good} == {1}


# -- ledgers ---------------------------------------------------------------------------------------


def ledger(case):
    (path,) = case.state.glob("*.ledger")
    return path


def spoil(case, change):
    """Let the ledger of a finished part of the job be something else; return what it is then."""
    case.rows(4)
    case.upload()
    case.rows(12)
    path = ledger(case)
    path.write_bytes(change(path.read_bytes()))
    return path.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda data: random.Random(1).randbytes(len(data)),
        lambda data: b"not a database at all",
        lambda data: data[:100],
        lambda data: data[: len(data) // 2],
        lambda data: data[:16] + random.Random(2).randbytes(200) + data[216:],
    ],
)
def test_an_unreadable_ledger_is_reported_and_not_changed(change, case, golden):
    spoiled = spoil(case, change)
    before = case.arrived()

    done = case.upload()

    assert done.code == 3
    assert last_line(done.err) == golden
    assert case.arrived() == before
    assert ledger(case).read_bytes() == spoiled

    ledger(case).rename(case.place / "aside")
    assert case.upload().code == 1
    assert set(case.arrived()) == set(GOOD)
    assert case.status()["accepted"] == len(GOOD)


def test_a_damaged_page_of_the_ledger_gives_no_traceback(case):
    """Whichever page it is, it is told, or not needed."""
    case.upload()
    path = ledger(case)
    whole = path.read_bytes()
    size = int.from_bytes(whole[16:18], "big")
    for page in range(1, len(whole) // size):
        broken = whole[: page * size] + b"\xa5" * size + whole[(page + 1) * size :]
        path.write_bytes(broken)

        done = case.upload()

        assert done.code in (0, 1, 3), done
        if done.code == 3:
            assert "malformed" in done.err


def test_an_empty_ledger_counts_as_missing(case):
    """What a crash leaves that came before the first note, and also one that somebody emptied."""
    spoil(case, lambda data: b"")

    assert case.upload().code == 1
    assert set(case.arrived()) == set(GOOD)
    assert sorted(case.rejected_rows()) == list(BAD)


def test_a_ledger_of_a_newer_version_is_not_changed(case, golden):
    case.upload()
    with closing(sqlite3.connect(ledger(case))) as db:
        db.execute("PRAGMA user_version = 99")
    before, arrived = ledger(case).read_bytes(), case.arrived()

    done = case.upload()

    assert done.code == 3
    assert last_line(done.err) == golden
    assert ledger(case).read_bytes() == before
    assert case.arrived() == arrived
