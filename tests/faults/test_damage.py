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
from conftest import last_line, row

from . import steps
from .steps import BAD, GOOD

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
nursery, sandbox, cases, case = steps.nursery, steps.sandbox, steps.cases, steps.case

PACKED = "history.jsonl.gz"
MANY = 3_000


class Packed:
    """A history of many rows, packed; where it is broken, it is damaged from there on."""

    def __init__(self, case, sandbox, level=6):
        self._case, self._sandbox = case, sandbox
        self.path = case.place / PACKED
        lines = [json.dumps(row(number)) for number in range(1, MANY + 1)]
        self.text = ("\n".join(lines) + "\n").encode()
        self.whole = gzip.compress(self.text, level)

    def upload(self, data, *options):
        """Upload what there is now."""
        self.path.write_bytes(data)
        options = ("--chunk-size", 500, "--max-reject-rate", 1, *options)
        return self._case.run(PACKED, "--server", self._sandbox.url, *options)

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
def packed(case, sandbox):
    return Packed(case, sandbox)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_packed_file_that_ends_too_early_is_delivered_as_far_as_it_goes(share, packed, golden):
    done = packed.upload(packed.whole[: int(len(packed.whole) * share)])

    assert done.code == 3
    assert last_line(done.err) == golden
    assert len(packed.arrived()) >= int(MANY * share * 0.8)

    assert packed.upload(packed.whole).code == 0
    packed.must_be_whole()


def test_garbage_behind_a_packed_file_costs_no_row(packed, golden):
    done = packed.upload(packed.whole + b"garbage")

    assert done.code == 3
    assert last_line(done.err) == golden
    packed.must_be_whole()
    assert packed.upload(packed.whole).code == 0
    packed.must_be_whole()


def test_a_wrong_checksum_is_told_and_the_whole_file_is_compared(packed, golden):
    broken = bytearray(packed.whole)
    broken[-8] ^= 1

    done = packed.upload(bytes(broken))

    assert done.code == 3
    assert last_line(done.err) == golden
    # Only the checksum was wrong.
    assert packed.upload(packed.whole).code == 0
    packed.must_be_whole()


def test_rows_before_a_broken_middle_are_delivered(case, sandbox, golden):
    """The unpacker notices this one: the length of a stored block is not what it says twice."""
    packed = Packed(case, sandbox, level=0)
    broken = bytearray(packed.whole)
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

    done = packed.upload(bytes(broken))

    assert done.code == 3
    assert last_line(done.err) == golden
    longest = max(map(len, packed.text.splitlines()))
    assert good_rows - 2**15 // longest - 30 <= len(packed.arrived()) <= good_rows
    assert packed.upload(packed.whole).code == 0
    packed.must_be_whole()


@pytest.mark.parametrize("seed", range(6))
def test_rows_that_damage_has_garbled_are_sent_from_the_whole_file(seed, packed):
    """The checksum is at the end of the file, so the rows before it are sent as they are read."""
    draw = random.Random(seed)
    broken = bytearray(packed.whole)
    place = draw.randrange(1_000, len(broken) - 1_000)
    broken[place : place + 200] = draw.randbytes(200)

    assert packed.upload(bytes(broken)).code == 3

    assert packed.upload(packed.whole).code == 0

    packed.must_be_accounted_for()
    there = Counter(json.dumps(record, sort_keys=True) for record in packed.records())
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
def test_a_ledger_that_cannot_be_read_is_told_and_left_alone(change, case, golden):
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


def test_a_page_of_the_ledger_that_is_not_what_it_was_gives_no_traceback(case):
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


def test_an_empty_ledger_is_none(case):
    """What a crash leaves that came before the first note, and also one that somebody emptied."""
    spoil(case, lambda data: b"")

    assert case.upload().code == 1
    assert set(case.arrived()) == set(GOOD)
    assert sorted(case.set_aside()) == list(BAD)


def test_a_ledger_of_a_newer_version_is_left_alone(case, golden):
    case.upload()
    with closing(sqlite3.connect(ledger(case))) as db:
        db.execute("PRAGMA user_version = 99")
    before, arrived = ledger(case).read_bytes(), case.arrived()

    done = case.upload()

    assert done.code == 3
    assert last_line(done.err) == golden
    assert ledger(case).read_bytes() == before
    assert case.arrived() == arrived
