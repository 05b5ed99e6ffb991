"""What trials of the program by people who meant to break it have found."""

import json

import pytest

from miso_upload import Settings, check, upload
from miso_upload.errors import MisoUploadError
from miso_upload.report.listener import Listener
from miso_upload.sandbox import Sandbox, parse_faults
from tests.helpers.rows import row, write_rows
from tests.helpers.uploads import Uploads

NEW = {"set": ('context.custom_context={"v":2}',)}


class Notes(Listener):
    def __init__(self):
        self.texts = []

    def noted(self, text):
        self.texts.append(text)


@pytest.fixture
def desk(tmp_path):
    with Sandbox(key="key") as sandbox:
        yield Uploads(tmp_path, sandbox)


def test_an_edited_input_that_was_continued_under_another_mapping_stops(desk):
    path = write_rows(desk.place / "a.jsonl", [*map(row, range(10)), row(10, type="bad")])
    desk.upload("a.jsonl")
    desk.upload("a.jsonl", changed_mapping="continue", **NEW)
    write_rows(path, map(row, range(11)))

    stopped = desk.upload("a.jsonl", **NEW)

    assert (stopped.exit_code, stopped.requests) == (2, 0)
    assert len(desk.held()) == 10


def test_an_input_that_was_continued_under_another_mapping_goes_on_behind_what_was_read(desk):
    path = write_rows(desk.place / "a.jsonl", map(row, range(10)))
    desk.upload("a.jsonl")
    desk.upload("a.jsonl", changed_mapping="continue", **NEW)
    with path.open("a") as file:
        file.write(json.dumps(row(10)) + "\n")

    grown = desk.upload("a.jsonl", **NEW)

    assert (grown.exit_code, grown.totals.accepted) == (0, 11)
    assert len(desk.held()) == 11


def test_after_continuing_under_another_mapping_all_can_still_be_sent(desk):
    write_rows(desk.place / "a.jsonl", map(row, range(10)))
    desk.upload("a.jsonl")
    desk.upload("a.jsonl", changed_mapping="continue", **NEW)

    sent = desk.upload("a.jsonl", changed_mapping="send", **NEW)

    assert (sent.exit_code, sent.totals.accepted) == (0, 10)
    assert len(desk.held()) == 20


@pytest.mark.parametrize(
    ("on_unknown", "accepted", "unknown"), [("skip", 0, 5), ("hold", 0, 5), ("resend", 5, 0)]
)
def test_rows_that_were_given_up_are_never_said_to_be_at_miso(desk, on_unknown, accepted, unknown):
    write_rows(desk.place / "a.jsonl", map(row, range(5)))
    write_rows(desk.place / "b.jsonl", map(row, range(5)))
    state = {"api_key": "key", "state_dir": desk.place / "state"}
    with Sandbox(key="key", faults=parse_faults(["drop:1"])) as broken:
        given_up = upload(
            Settings.of(
                inputs=(str(desk.place / "a.jsonl"),), server=broken.url, on_unknown="skip", **state
            )
        )
        port = int(broken.url.rpartition(":")[2])
    assert given_up.totals.unknown == 5

    with Sandbox(key="key", port=port) as restarted:
        again = upload(
            Settings.of(
                inputs=(str(desk.place / "b.jsonl"),), server=restarted.url, on_unknown=on_unknown,
                **state,
            )
        )  # fmt: skip

    totals = again.totals
    assert (totals.accepted, totals.unknown, totals.already_sent) == (accepted, unknown, 0)


def test_another_version_of_a_row_in_flight_from_another_input_is_waited_for(desk):
    mapping = desk.place / "m.toml"
    mapping.write_text('[rows]\nkey = ["order"]\n')
    write_rows(desk.place / "a.jsonl", [{**row(1, type="checkout", revenue=1), "order": 1}])
    write_rows(desk.place / "b.jsonl", [{**row(1, type="checkout", revenue=2), "order": 1}])

    both = desk.upload("a.jsonl", "b.jsonl", mapping=str(mapping))

    assert (both.totals.accepted, both.totals.changed) == (1, 1)


@pytest.mark.parametrize("name", [".", "./", ""])
def test_the_working_directory_is_an_input_or_an_error_and_no_defect(
    desk, name, monkeypatch, golden
):
    write_rows(desk.place / "a.jsonl", map(row, range(3)))
    monkeypatch.chdir(desk.place)
    settings = Settings.of(
        inputs=(name,), server=desk.sandbox.url, api_key="key", state_dir=desk.place / "s" / "t"
    )

    if name:
        assert upload(settings).totals.accepted == 3
    else:
        with pytest.raises(MisoUploadError) as caught:
            upload(settings)
        assert str(caught.value) == golden


def test_a_restart_sends_rows_that_another_input_has_too_and_a_dry_run_says_so(desk):
    write_rows(desk.place / "a.jsonl", map(row, range(10)))
    write_rows(desk.place / "b.jsonl", map(row, range(5, 15)))
    desk.upload("a.jsonl", "b.jsonl")

    planned = check(desk.settings("b.jsonl", restart=True))
    done = desk.upload("b.jsonl", restart=True)

    assert (planned.totals.pending, done.totals.accepted) == (10, 10)


def test_a_row_whose_first_half_was_read_is_sent_when_it_is_finished(desk):
    path = write_rows(desk.place / "a.jsonl", map(row, range(3)))
    last = json.dumps(row(3)) + "\n"
    with path.open("a") as file:
        file.write(last[:40])
    assert desk.upload("a.jsonl").totals.rejected == 1
    with path.open("a") as file:
        file.write(last[40:])

    finished = desk.upload("a.jsonl")

    assert (finished.exit_code, finished.totals.rejected) == (0, 0)
    assert desk.held() == [f"user-{i}" for i in range(4)]


def test_many_pairs_of_inputs_that_share_records_are_one_sentence(desk):
    names = []
    for i in range(5):
        write_rows(desk.place / f"{i}.jsonl", map(row, range(2 * i, 2 * i + 4)))
        names.append(f"{i}.jsonl")

    done = desk.upload(*names)

    assert sum("series=NAME" in text for text in done.advice) == 1


def test_standard_input_under_new_options_is_doubted(desk, golden):
    write_rows(desk.place / "a.jsonl", map(row, range(150)))
    desk.upload("a.jsonl")
    notes = Notes()
    write_rows(desk.place / "copy.jsonl", map(row, range(150)))

    upload(desk.settings("copy.jsonl", **NEW), notes)

    assert notes.texts == golden


@pytest.mark.parametrize(
    ("options", "blind"),
    [({"api_key": "key"}, False), ({"api_key": "other"}, True), ({"target": "nosuch"}, True)],
)
def test_a_dry_run_for_a_target_that_no_ledger_knows_says_that_it_is_blind(
    desk, options, blind, golden
):
    write_rows(desk.place / "a.jsonl", map(row, range(3)))
    desk.upload("a.jsonl")
    notes = Notes()

    check(
        Settings.of(
            inputs=(str(desk.place / "a.jsonl"),), server=desk.sandbox.url,
            state_dir=desk.place / "state", **options,
        ),
        notes,
    )  # fmt: skip

    assert bool(notes.texts) is blind
    assert notes.texts == golden
