"""With `--already-sent send`, records that another source has are sent, once from each source."""

import pytest

from miso_upload import check, upload
from miso_upload.sandbox import Sandbox
from tests.helpers.rows import row, write_rows
from tests.helpers.uploads import Uploads


@pytest.fixture
def desk(tmp_path):
    with Sandbox(key="key") as sandbox:
        write_rows(tmp_path / "one.jsonl", map(row, range(10)))
        write_rows(tmp_path / "two.jsonl", map(row, range(5, 15)))
        yield Uploads(tmp_path, sandbox)


def test_what_was_left_out_can_be_sent_later_and_nothing_else(desk):
    upload(desk.settings("one.jsonl", "two.jsonl"))
    assert desk.copies() == {1: 15}

    again = upload(desk.settings("two.jsonl", already_sent="send"))

    assert (again.exit_code, again.totals.accepted, again.totals.already_sent) == (0, 5, 5)
    assert desk.copies() == {1: 10, 2: 5}


def test_it_can_stay_in_the_command_and_sends_each_source_once(desk):
    for _ in range(3):
        done = upload(desk.settings("one.jsonl", "two.jsonl", already_sent="send"))
        assert done.exit_code == 0

    assert desk.copies() == {1: 10, 2: 5}


def test_an_edited_source_sends_only_what_is_new_of_it(desk):
    upload(desk.settings("one.jsonl", "two.jsonl", already_sent="send"))
    write_rows(desk.place / "two.jsonl", map(row, [*range(5, 12), 20]))

    edited = upload(desk.settings("two.jsonl", already_sent="send"))

    assert (edited.totals.accepted, edited.totals.already_sent) == (1, 7)
    assert desk.copies() == {1: 11, 2: 5}


def test_a_dry_run_says_what_would_be_sent(desk):
    upload(desk.settings("one.jsonl"))

    planned = check(desk.settings("two.jsonl", already_sent="send"))
    usual = check(desk.settings("two.jsonl"))

    assert (planned.totals.pending, planned.totals.already_sent) == (10, 0)
    assert (usual.totals.pending, usual.totals.already_sent) == (5, 5)
