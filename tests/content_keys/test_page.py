"""The tests that docs/content-keys.md names exist; some of them are here."""

import json
import os
import re
from collections import Counter

import pytest

from miso_upload.sandbox import Sandbox
from tests.helpers.paths import ROOT
from tests.helpers.processes import run_program
from tests.helpers.rows import row, write_rows

PAGE = ROOT / "docs" / "content-keys.md"
LINK = re.compile(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)")


def test_each_test_that_the_page_names_exists():
    links = LINK.findall(PAGE.read_text(encoding="utf-8"))
    missing = [
        f"{path}::{name}"
        for name, path in links
        if f"def {name}(" not in (ROOT / path).read_text(encoding="utf-8")
    ]

    assert links
    assert missing == []


class Desk:
    """A directory with inputs, its own ledgers and a server."""

    def __init__(self, place, sandbox):
        self.place, self.sandbox = place, sandbox

    def write(self, name, numbers):
        """Write an input with these rows."""
        write_rows(self.place / name, map(row, numbers))

    def run(self, *args):
        """Run the program; return its exit code and the first line that it prints."""
        environment = {
            **os.environ,
            "MISO_API_KEY": self.sandbox.key,
            "MISO_UPLOAD_SERVER": self.sandbox.url,
            "MISO_UPLOAD_STATE_DIR": str(self.place / "state"),
        }
        done = run_program(*args, cwd=self.place, env=environment)
        return done.returncode, done.stdout.partition(" + 0 rejected")[0]

    def arrived(self):
        """Return how often each row is at the server."""
        return Counter(record["user_id"] for record in self.sandbox.records())


@pytest.fixture
def desk(tmp_path):
    with Sandbox(store=tmp_path / "store.sqlite") as sandbox:
        yield Desk(tmp_path, sandbox)


def once(numbers):
    return Counter(f"user-{number}" for number in numbers)


@pytest.mark.parametrize("others", [range(300, 310), range(300, 390)], ids=["shorter", "longer"])
def test_of_two_files_that_begin_alike_shared_rows_are_sent_once(desk, others):
    desk.write("a.jsonl", range(1, 101))
    desk.write("b.jsonl", [*range(1, 41), *others])
    rows, accepted = 140 + len(others), 100 + len(others)

    ended = desk.run("a.jsonl", "b.jsonl")

    assert ended == (0, f"{rows} rows read = {accepted} accepted + 40 already sent")
    assert desk.arrived() == once([*range(1, 101), *others])


def test_the_same_events_in_another_format_are_already_sent(desk):
    (desk.place / "a.csv").write_text(
        "type,timestamp,user_id,duration\n"
        "home_page_view,2025-03-01T10:00:00Z,user-1,1.0\n"
        "home_page_view,2025-03-01T10:00:00.5Z,user-2,1.5\n"
    )
    rows = [
        {"user_id": "user-1", "duration": 1, "timestamp": "2025-03-01T11:00:00+01:00"},
        {"user_id": "user-2", "duration": 15e-1, "timestamp": "2025-03-01T10:00:00.500Z"},
    ]
    lines = [json.dumps({**each, "type": "home_page_view"}) for each in rows]
    (desk.place / "a.jsonl").write_text("\n".join(lines))
    desk.run("a.csv")

    assert desk.run("a.jsonl") == (0, "2 rows read = 0 accepted + 2 already sent")
    assert desk.arrived() == once([1, 2])


def test_another_chunk_size_makes_no_difference(desk):
    desk.write("a.jsonl", range(1, 61))
    desk.run("a.jsonl")
    desk.write("a.jsonl", range(1, 101))

    ended = desk.run("a.jsonl", "--chunk-size", "7")

    assert ended == (0, "100 rows read = 100 accepted + 0 already sent")
    assert desk.arrived() == once(range(1, 101))


def test_rows_that_are_remembered_are_not_sent_until_they_are_forgotten(desk):
    desk.write("a.jsonl", range(1, 11))

    desk.run("remember", "a.jsonl", "--yes")
    assert desk.run("a.jsonl") == (0, "10 rows read = 0 accepted + 10 already sent")
    assert not desk.arrived()
    desk.run("forget", "a.jsonl", "--yes")
    assert desk.run("a.jsonl") == (0, "10 rows read = 10 accepted + 0 already sent")

    assert desk.arrived() == once(range(1, 11))
