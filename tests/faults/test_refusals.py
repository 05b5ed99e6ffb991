"""Every form of a 422: the bad rows are rejected, and no others."""

import math

import pytest

from miso_upload.delivery.answer_history import REPEATS_NEEDED, REPEATS_ONCE_CONFIRMED
from tests.helpers.misbehaving import OK, Say
from tests.helpers.rows import last_line

MESSAGE = "None of the records were inserted because at least one of them is invalid."
NAMED = {
    "a value": "data.{}.product_ids (P1) is invalid. It must be an array.",
    "a value with a bracket": "data.{}.type (a) b (c)) is invalid. It must be one of (x), (y).",
    "a value that looks like the end": "data.{}.x () is invalid. No.) is invalid. It is bad.",
    "the record": "data.{} is invalid. 'type' is a required property.",
    "several lines": "data.{}.x (one\ntwo\ndata.0.x is invalid. No.) is invalid. It\nis bad.",
    "a path": "data.{}.context.custom_context.a.0 is invalid. It is bad.",
}
UNNAMED = {
    "an index out of range": {"data": ["data.5000.type is invalid. It is bad."]},
    "a line that says nothing": {"data": ["Some record is bad."]},
    "lines that are no text": {"data": [None, 5, ["data.0"], {}]},
    "no lines": {"data": []},
    "data that is an object": {"data": {"errors": [{"loc": ["body"], "msg": "bad", "type": "x"}]}},
    "FastAPI's detail": {"detail": [{"loc": ["body", "data"], "msg": "bad", "type": "x"}]},
    "a page": "<html><body>422</body></html>",
    "nothing": "",
}


def numbers_of(records):
    return [int(each["user_id"].removeprefix("user-")) for each in records]


def naming(line, bad, *, only_the_first=False):
    """Return what Miso says to records of which these are bad."""

    def answer(records):
        places = [place for place, number in enumerate(numbers_of(records)) if number in bad]
        if not places:
            return OK
        lines = [line.format(place) for place in places]
        lines = lines[:1] if only_the_first else lines
        return Say(422, {"errors": True, "message": MESSAGE, "data": lines})

    return answer


def not_naming(body, bad):
    def answer(records):
        return Say(422, body) if bad & set(numbers_of(records)) else OK

    return answer


def settled(job, server, bad, *options):
    """Run the upload as one chunk: everything is settled, and only the bad rows are rejected."""
    run = job.upload(server, "--chunk-size", "1000", *options)
    assert run.code == 1, run
    good = [number for number in range(1, job.rows + 1) if number not in bad]
    assert job.status() == (job.rows, len(good), len(bad), 0, 0, 0)
    assert sorted(server.numbers) == good
    assert sorted(job.rejects) == sorted(bad)
    again = job.upload(server, "--chunk-size", "1000")
    assert again.code == 0
    assert sorted(server.numbers) == good
    return run


@pytest.mark.parametrize("line", NAMED.values(), ids=NAMED)
def test_records_that_miso_names_are_rejected_with_its_message(job, serve, line, golden):
    server = serve(then=naming(line, {2, 5}))

    run = settled(job, server, {2, 5})

    assert len(server.heard) == 2
    assert run.out == golden
    for rejected in job.rejects.values():
        assert str(rejected["reasons"]) == golden


@pytest.mark.parametrize("body", UNNAMED.values(), ids=UNNAMED)
def test_records_that_miso_does_not_name_are_found_by_halving(job, serve, body):
    job.more_rows(100)
    server = serve(then=not_naming(body, {41}))

    settled(job, server, {41})

    assert len(server.heard) <= 2 * math.ceil(math.log2(100)) + 1 + REPEATS_NEEDED
    assert "422" in str(job.rejects[41]["reasons"])


@pytest.mark.parametrize("body", UNNAMED.values(), ids=UNNAMED)
def test_several_records_that_miso_does_not_name_are_found_too(job, serve, body):
    job.more_rows(100)
    bad = {1, 50, 51, 100}
    server = serve(then=not_naming(body, bad))

    settled(job, server, bad)

    searching, asking_alone = (
        2 * len(bad) * math.ceil(math.log2(100)) + 1,
        REPEATS_NEEDED + 3 * REPEATS_ONCE_CONFIRMED,
    )
    assert len(server.heard) <= searching + asking_alone


def test_every_record_may_be_bad(job, serve):
    server = serve(then=naming(NAMED["a value"], set(range(1, 7))))

    settled(job, server, set(range(1, 7)))

    assert len(server.heard) == 1


def test_a_second_refusal_after_the_resend_is_read_too(job, serve):
    """Miso names one bad record at a time."""
    job.more_rows(60)
    bad = {3, 20, 21, 44, 60}
    server = serve(then=naming(NAMED["a value"], bad, only_the_first=True))

    settled(job, server, bad)

    assert len(server.heard) <= 2 * len(bad) * math.ceil(math.log2(60)) + 1


def test_the_search_for_bad_records_is_bounded(job, serve, golden):
    """A server that refuses everything and names nothing is not asked about each of the rows."""
    job.more_rows(3000)
    server = serve(then=not_naming({"detail": "No."}, set(range(1, 3001))))

    run = job.upload(server, "--chunk-size", "3000")

    assert run.code == 3
    assert last_line(run.err) == golden
    assert len(server.heard) <= 1010 + REPEATS_NEEDED + 501 * REPEATS_ONCE_CONFIRMED
    rows, accepted, rejected, unknown, pending, _ = job.status()
    assert (rows, accepted, unknown) == (3000, 0, 0)
    assert rejected + pending == 3000
    assert set(job.rejects) == set(range(1, rejected + 1))
    server.heal()
    assert job.upload(server, "--chunk-size", "3000").code == 0
    assert server.numbers == list(range(rejected + 1, 3001))
