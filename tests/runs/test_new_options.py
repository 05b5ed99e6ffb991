"""What is said before records go to Miso that other options make of events that it has."""

import pytest

from miso_upload import Settings, check, upload
from miso_upload.report.listener import Listener
from miso_upload.sandbox import Sandbox
from tests.helpers.rows import row, write_rows


class Notes(Listener):
    def __init__(self):
        self.texts = []

    def noted(self, text):
        self.texts.append(text)

    @property
    def doubts(self):
        return [text for text in self.texts if "(set " in text or "(timezone " in text]


@pytest.fixture
def settings(tmp_path):
    with Sandbox(key="key") as sandbox:
        write_rows(tmp_path / "monday.jsonl", map(row, range(200)))
        write_rows(tmp_path / "tuesday.jsonl", map(row, range(100, 300)))

        def make(name, **options):
            return Settings.of(
                inputs=(str(tmp_path / name),), server=sandbox.url, api_key="key",
                state_dir=tmp_path / "state", **options,
            )  # fmt: skip

        yield make


@pytest.mark.parametrize("run", [upload, check])
def test_new_options_under_which_nothing_is_known_are_doubted(settings, run):
    upload(settings("monday.jsonl"))
    notes = Notes()

    done = run(settings("tuesday.jsonl", set=("type=like",)), notes)

    assert done.exit_code == 0
    assert len(notes.doubts) == 1


@pytest.mark.parametrize("run", [upload, check])
@pytest.mark.parametrize("options", [{}, {"chunk_size": 50}])
def test_options_that_the_ledger_knows_are_not_doubted(settings, run, options):
    upload(settings("monday.jsonl"))
    notes = Notes()

    run(settings("tuesday.jsonl", **options), notes)

    assert notes.doubts == []


def test_new_options_under_which_records_are_known_are_not_doubted(settings):
    upload(settings("monday.jsonl"))
    notes = Notes()

    done = upload(settings("tuesday.jsonl", timezone="UTC"), notes)

    assert (notes.doubts, done.totals.already_sent) == ([], 100)


def test_a_dry_run_says_that_an_upload_would_stop(settings):
    upload(settings("monday.jsonl"))

    planned = check(settings("monday.jsonl", set=("type=like",)))
    neutral = check(settings("monday.jsonl", timezone="UTC"))
    meant = check(settings("monday.jsonl", set=("type=like",), changed_mapping="send"))

    def warned(summary):
        return any("changed_mapping" in text for text in summary.advice)

    assert (warned(planned), warned(neutral), warned(meant)) == (True, False, False)
    stopped = upload(settings("monday.jsonl", set=("type=like",)))
    assert (stopped.exit_code, stopped.requests) == (2, 0)
