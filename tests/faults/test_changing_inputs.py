"""The input is changed by somebody else while it is read."""

from __future__ import annotations

import gzip
import json
import sys

import pytest

from tests.helpers.rows import last_line

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")

ROWS = 1_300
PAD = "x" * 2_000


def text(era, first=1, last=ROWS):
    """Return rows that say at both ends when they were written; all of them have one length."""
    rows = (
        {
            "user_id": f"{era}-{number:05}",
            "type": "product_detail_page_view",
            "timestamp": "2024-05-01T10:00:00Z",
            "context": {"custom_context": {"pad": PAD}},
            "product_ids": [f"{era}-{number:05}"],
        }
        for number in range(first, last + 1)
    )
    return "".join(json.dumps(each) + "\n" for each in rows).encode()


@pytest.fixture
def job(case, sandbox):
    return Job(case, sandbox)


class Job:
    """An input of 2.7 MB, of which the first third is at hand when the first chunk is sent."""

    def __init__(self, case, sandbox):
        self.case, self._sandbox = case, sandbox
        self.path = case.history
        self.path.write_bytes(text("old"))

    def upload(self, script="", *, name="history.jsonl", step="intend"):
        """Upload it; in the middle of that, `script` is run."""
        if step == "intend":
            step = "miso_upload.ledger:Ledger.intend"
        death = {"step": step, "count": 1, "moment": "meddle", "script": script} if script else {}
        options = ("--chunk-size", 200, "--concurrency", 2, "--server", self._sandbox.url)
        done = self.case.run(name, *options, **death)
        self.case.status()
        self.must_be_of_one_piece()
        return done

    def arrived(self):
        """Return the rows that arrived, in order; none of them twice."""
        found = sorted(each["user_id"] for each in self._sandbox.records())
        assert len(found) == len(set(found))
        return found

    def must_be_of_one_piece(self):
        """No row has its beginning from one time and its end from another."""
        torn = [
            each for each in self._sandbox.records() if each["product_ids"] != [each["user_id"]]
        ]
        assert torn == []
        assert self.case.rejected_rows() == []


def numbers(era, first=1, last=ROWS):
    return [f"{era}-{number:05}" for number in range(first, last + 1)]


def test_reading_stops_if_a_file_is_rewritten_in_place(job, golden):
    (job.case.place / "new").write_bytes(text("new"))

    done = job.upload("Path('history.jsonl').write_bytes(Path('new').read_bytes())")

    assert done.code == 2
    assert last_line(done.err) == golden
    arrived = job.arrived()
    assert 200 <= len(arrived) < ROWS
    assert arrived == numbers("old", last=len(arrived))

    again = job.upload()

    assert again.code == 0
    assert job.arrived() == numbers("new") + arrived


def test_reading_stops_if_a_log_is_truncated_and_refilled(job, golden):
    """As logrotate's copytruncate does: what was copied is to be uploaded under the copy's name."""
    script = "Path('copy').write_bytes(Path('history.jsonl').read_bytes());"
    (job.case.place / "new").write_bytes(text("new") + text("new", ROWS + 1, ROWS + 100))
    script += "f = open('history.jsonl', 'r+b'); f.truncate(0); f.write(Path('new').read_bytes())"

    done = job.upload(script)

    assert done.code == 2
    assert last_line(done.err) == golden
    assert job.upload(name="copy").code == 0
    assert job.upload().code == 0
    assert job.arrived() == numbers("new", last=ROWS + 100) + numbers("old")


@pytest.mark.parametrize("size", [0, 1_000, 900_000])
def test_reading_stops_if_a_file_is_truncated(size, job, golden):
    done = job.upload(f"os.truncate('history.jsonl', {size})")

    assert done.code == 2
    assert last_line(done.err) == golden
    arrived = job.arrived()
    assert arrived == numbers("old", last=len(arrived))

    # Once the file is complete again, the next run resumes.
    job.path.write_bytes(text("old"))
    assert job.upload().code == 0
    assert job.arrived() == numbers("old")


def test_reading_stops_if_a_compressed_file_is_rewritten(job, golden):
    name = "history.jsonl.gz"
    (job.case.place / name).write_bytes(gzip.compress(text("old"), 0))
    (job.case.place / "new").write_bytes(gzip.compress(text("new"), 0))

    done = job.upload(f"Path({name!r}).write_bytes(Path('new').read_bytes())", name=name)

    assert done.code == 2
    assert last_line(done.err) == golden
    arrived = job.arrived()
    assert arrived == numbers("old", last=len(arrived))


def test_a_growing_file_is_read_to_its_current_end(job):
    (job.case.place / "more").write_bytes(text("old", ROWS + 1, ROWS + 50))

    done = job.upload("open('history.jsonl', 'ab').write(Path('more').read_bytes())")

    assert done.code == 0
    assert job.arrived() == numbers("old", last=ROWS + 50)


def test_a_row_written_during_reading_is_left_until_it_is_complete(job, golden):
    """Without --growing too: what is written to at this moment is not whole."""
    more = text("old", ROWS + 1, ROWS + 1)
    (job.case.place / "more").write_bytes(more[:1_000])

    done = job.upload("open('history.jsonl', 'ab').write(Path('more').read_bytes())")

    assert done.code == 0
    assert last_line(done.err) == golden
    assert job.arrived() == numbers("old")

    with job.path.open("ab") as file:
        file.write(more[1_000:])
    assert job.upload().code == 0
    assert job.arrived() == numbers("old", last=ROWS + 1)


def test_a_replaced_file_is_read_to_its_end_before_the_new_one(job, golden):
    (job.case.place / "new").write_bytes(text("new"))

    done = job.upload("os.replace('new', 'history.jsonl')")

    assert done.code == 0
    assert last_line(done.err) == golden
    assert job.arrived() == numbers("old")
    assert job.upload().code == 0
    assert job.arrived() == numbers("new") + numbers("old")


def test_a_file_that_is_removed_is_read_to_its_end(job, golden):
    done = job.upload("os.remove('history.jsonl')")

    assert done.code == 0
    assert last_line(done.err) == golden
    assert job.arrived() == numbers("old")


def test_a_file_overwritten_before_the_read_position_is_reported(job, golden):
    """Every row is of one time, but nobody can say of which."""
    (job.case.place / "new").write_bytes(text("new", 1_200, 1_200))
    script = "f = open('history.jsonl', 'r+b'); "
    script += f"f.seek({len(text('old', 1, 1_199))}); f.write(Path('new').read_bytes())"

    done = job.upload(script)

    assert done.code == 0
    assert last_line(done.err) == golden
    assert job.arrived() == sorted({*numbers("old"), "new-01200"} - {"old-01200"})


@pytest.mark.parametrize(
    "step", ["pipeline.run:open_inputs", "pipeline.run:Pipeline", "ledger.state_directory:Ledger"]
)
def test_a_file_replaced_before_reading_is_read_in_its_new_state(step, job):
    (job.case.place / "new").write_bytes(text("new"))

    done = job.upload("os.replace('new', 'history.jsonl')", step=f"miso_upload.{step}")

    assert done.code == 0
    assert job.arrived() == numbers("new")


def test_a_file_removed_before_reading_is_reported(job, golden):
    done = job.upload("os.remove('history.jsonl')", step="miso_upload.pipeline.run:Pipeline")

    assert done.code == 3
    assert last_line(done.err) == golden
    assert job.arrived() == []
