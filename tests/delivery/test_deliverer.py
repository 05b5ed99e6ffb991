import pickle
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.delivery import Backoff
from miso_upload.delivery.answer_history import REPEATS_NEEDED, REPEATS_ONCE_CONFIRMED
from miso_upload.delivery.answers import Answer
from miso_upload.delivery.client import NotSentError, UnknownOutcomeError
from miso_upload.errors import DeliveryError, KeyRefusedError
from miso_upload.records import Selection
from tests.helpers.doubles import (
    OK,
    Miso,
    NoWait,
    ScriptedClient,
    batch,
    batch_of,
    deliverer,
    lines_of,
    record,
)

LOST = UnknownOutcomeError("the connection was lost")
NOT_SENT = NotSentError("cannot connect")
BUSY = Answer(503, retry_after=0.0)
BUSY_UNPROVEN = Answer(503)


class RecordingListener:
    """Hears what a listener is told."""

    def __init__(self):
        self.heard = []

    def waiting(self, seconds, why):
        """Keep it."""
        self.heard.append((seconds, why))


class StopDuringWait(NoWait):
    """Is set in the first wait."""

    def wait(self, timeout=None):
        """Set it instead of waiting."""
        if timeout:
            self.set()
        return self.is_set()


class StopAfter(NoWait):
    """Is set once it has been asked so often."""

    def __init__(self, asked):
        super().__init__()
        self.left = asked

    def is_set(self):
        """Count down, and set itself at the end."""
        self.left -= 1
        if self.left < 0:
            self.set()
        return super().is_set()


def is_bad(*numbers):
    names = {f"u{number}" for number in numbers}
    return lambda each: each["user_id"] in names


def numbers(records):
    return [int(each["user_id"][1:]) for each in records]


# -- the common case -------------------------------------------------------------------------------


def test_a_batch_is_one_request():
    posts = ScriptedClient()

    receipt = deliverer(posts).deliver(batch(10))

    assert [numbers(each) for each in posts.requests] == [list(range(1, 11))]
    assert (receipt.accepted, receipt.requests, receipt.stop) == (10, 1, None)
    assert receipt.bytes_sent == posts.sizes[0]


def test_a_batch_over_the_size_limit_is_split():
    posts = ScriptedClient()

    receipt = deliverer(posts, max_chunk_bytes=200).deliver(batch(10))

    assert max(posts.sizes) <= 200
    assert [n for each in posts.requests for n in numbers(each)] == list(range(1, 11))
    assert receipt.accepted == 10


def test_a_record_over_the_size_limit_is_rejected_unsent(golden):
    posts = ScriptedClient()
    huge = batch_of([record(1), record(2, product_ids=["x" * 500]), record(3)])

    receipt = deliverer(posts, max_chunk_bytes=300).deliver(huge)

    assert lines_of(receipt.rejections) == [2]
    assert receipt.rejections[0].reasons[0].text == golden
    assert receipt.accepted == 2


# -- 422 -------------------------------------------------------------------------------------------


def test_records_that_miso_names_are_rejected_and_the_others_arrive():
    miso = Miso(is_bad(2, 7))

    receipt = deliverer(miso).deliver(batch(10))

    assert lines_of(receipt.rejections) == [2, 7]
    assert numbers(miso.held) == [1, 3, 4, 5, 6, 8, 9, 10]
    assert receipt.requests == 2


def test_a_refused_record_is_kept_with_misos_words_and_its_source_line():
    receipt = deliverer(Miso(is_bad(2))).deliver(batch(3, lines=[10, 20, 30]))

    (found,) = receipt.rejections
    assert found.line == 20
    assert found.row == record(2)
    assert found.by == "miso"
    (reason,) = found.reasons
    assert reason.text.endswith("user_id is invalid. It is bad.")


def test_a_second_refusal_after_the_resend_is_parsed_too():
    """Miso may look for one kind of error at a time."""
    lines = ["data.0.user_id is invalid. No."]
    posts = ScriptedClient(Answer(422, {"data": lines}), Answer(422, {"data": lines}))

    receipt = deliverer(posts).deliver(batch(4))

    assert lines_of(receipt.rejections) == [1, 2]
    assert receipt.accepted == 2


def test_if_every_record_is_bad_every_record_is_rejected():
    miso = Miso(lambda each: True)

    receipt = deliverer(miso).deliver(batch(10))

    assert lines_of(receipt.rejections) == list(range(1, 11))
    assert (receipt.accepted, receipt.requests, miso.held) == (0, 1, [])


def test_records_of_unparsed_lines_are_resent():
    lines = ["data.0.user_id is invalid. No.", "and another one, too"]
    miso = Miso(is_bad(3), names="nothing")
    miso.script.append(Answer(422, {"data": lines}))

    receipt = deliverer(miso).deliver(batch(6))

    assert lines_of(receipt.rejections) == [1, 3]
    assert numbers(miso.held) == [2, 4, 5, 6]


@pytest.mark.parametrize(
    "body",
    [
        None,
        {"errors": True, "data": ["Some record is bad."]},
        {"errors": True, "data": ["data.12345.type is invalid. Out of range."]},
        {"errors": True, "data": {"errors": [{"loc": [], "msg": "bad records", "type": "x"}]}},
        {"detail": [{"loc": ["body", "data"], "msg": "bad records", "type": "x"}]},
    ],
)
def test_bad_records_that_miso_does_not_name_are_found_by_halving(body):
    def refuse(records):
        return Answer(422, body) if any(map(is_bad(3, 8), records)) else OK

    posts = ScriptedClient(then=refuse)

    receipt = deliverer(posts).deliver(batch(16))

    assert lines_of(receipt.rejections) == [3, 8]
    assert receipt.accepted == 14
    assert all("422" in found.reasons[0].text for found in receipt.rejections)


def test_bad_records_that_miso_does_not_name_carry_its_message(golden):
    receipt = deliverer(Miso(is_bad(1), names="nothing")).deliver(batch(2))

    reason = receipt.rejections[0].reasons[0]
    assert "None of the records were inserted." in reason.text
    assert reason.text == golden


@settings(max_examples=60)
@given(
    st.integers(1, 300).flatmap(
        lambda count: st.tuples(st.just(count), st.sets(st.integers(1, count), max_size=12))
    ),
    st.sampled_from(["all", "first", "nothing"]),
)
def test_only_bad_records_are_rejected_even_if_miso_names_none(sizes, names):
    count, bad = sizes
    miso = Miso(is_bad(*bad), names=names)

    receipt = deliverer(miso).deliver(batch(count, slice_rows=32))

    assert set(lines_of(receipt.rejections)) == bad
    assert numbers(miso.held) == [each for each in range(1, count + 1) if each not in bad]
    asked_alone = REPEATS_NEEDED + REPEATS_ONCE_CONFIRMED * len(bad) if names == "nothing" else 0
    assert receipt.requests <= 1 + asked_alone + 2 * (len(bad) * (count.bit_length() + 1))


def test_bad_records_named_one_at_a_time_are_searched_by_halving():
    miso = Miso(is_bad(*range(1, 1000, 10)), names="first")

    receipt = deliverer(miso).deliver(batch(1000, slice_rows=100))

    assert len(receipt.rejections) == 100
    assert sum(miso.sizes) < 20 * max(miso.sizes)


def test_the_search_for_bad_records_is_bounded_and_rejects_no_good_record(golden):
    bad = is_bad(*range(1, 2001, 2))
    miso = Miso(bad, names="nothing")
    stop = NoWait()

    receipt = deliverer(miso, stop=stop, most_refusals=50).deliver(batch(2000, slice_rows=256))

    assert receipt.requests <= 220
    assert all(bad(found.row) for found in receipt.rejections)
    assert numbers(miso.held) == list(range(2, 2 * len(miso.held) + 1, 2))
    assert len(receipt.pending) == 2000 - len(receipt.rejections) - receipt.accepted
    assert str(receipt.stop) == golden
    assert stop.is_set()


def test_the_next_run_resumes_the_search():
    bad = is_bad(*range(1, 200, 2))
    miso = Miso(bad, names="nothing")
    whole = batch(200, slice_rows=50)
    pending, found = frozenset(range(1, 201)), []
    for _ in range(50):
        fresh = [line - 1 for line in sorted(pending)]
        receipt = deliverer(miso, most_refusals=10).deliver(whole, Selection(fresh=fresh))
        pending, found = frozenset(receipt.pending), found + lines_of(receipt.rejections)

    assert sorted(found) == list(range(1, 200, 2))
    assert sorted(numbers(miso.held)) == list(range(2, 201, 2))


# -- 413 -------------------------------------------------------------------------------------------


def test_a_request_that_is_too_large_is_halved_until_it_fits():
    miso = Miso(max_bytes=300)

    receipt = deliverer(miso).deliver(batch(40))

    assert numbers(miso.held) == list(range(1, 41))
    assert receipt.accepted == 40


def test_a_refused_size_is_not_retried():
    miso = Miso(max_bytes=300)
    delivers = deliverer(miso)
    delivers.deliver(batch(40))
    miso.sizes.clear()

    delivers.deliver(batch(40))

    assert max(miso.sizes) <= 300


def test_a_half_that_fits_is_not_halved_again():
    miso = Miso(max_bytes=500)

    deliverer(miso).deliver(batch(16))

    assert [len(each) for each in miso.requests] == [16, 8, 8]


def test_a_single_record_that_is_too_large_for_miso_is_rejected(golden):
    miso = Miso(max_bytes=400)
    some = batch_of([record(1), record(2, product_ids=["x" * 900]), record(3), record(4)])

    receipt = deliverer(miso).deliver(some)

    assert lines_of(receipt.rejections) == [2]
    assert receipt.rejections[0].reasons[0].text == golden
    assert numbers(miso.held) == [1, 3, 4]


def test_one_huge_record_does_not_make_all_requests_small():
    miso = Miso(max_bytes=400)
    delivers = deliverer(miso)
    delivers.deliver(batch_of([record(1, product_ids=["x" * 900]), record(2), record(3)]))
    miso.requests.clear()

    delivers.deliver(batch(9))

    assert len(miso.requests) == 1


def test_413_for_everything_ends_the_run():
    receipt = deliverer(ScriptedClient(then=Answer(413)), most_refusals=20).deliver(batch(200))

    assert isinstance(receipt.stop, DeliveryError)
    assert receipt.requests <= 100
    assert (len(receipt.rejections), len(receipt.pending)) == (0, 200)


@pytest.mark.parametrize("count", [1, 3])
def test_413_rejects_nothing_if_miso_has_accepted_nothing(count, golden):
    receipt = deliverer(ScriptedClient(then=Answer(413))).deliver(batch(count))

    assert (receipt.rejections, len(receipt.pending)) == ((), count)
    assert str(receipt.stop) == golden


def test_413_for_an_accepted_size_is_retried():
    posts = ScriptedClient(OK, Answer(413), Answer(413))
    delivers = deliverer(posts)

    receipts = [delivers.deliver(batch(9)) for _ in range(2)]

    assert [len(each) for each in posts.requests] == [9] * 4
    assert [receipt.accepted for receipt in receipts] == [9, 9]


def test_413_for_an_accepted_size_rejects_nothing_if_it_persists(golden):
    posts = ScriptedClient(OK, then=Answer(413))
    delivers = deliverer(posts, backoff=Backoff(attempts=3))
    delivers.deliver(batch(9))

    receipt = delivers.deliver(batch(1))

    assert (receipt.requests, receipt.rejections, receipt.pending) == (3, (), (1,))
    assert str(receipt.stop) == golden


def test_413_never_lowers_the_limit_below_an_accepted_size():
    posts = ScriptedClient(OK, Answer(413))
    delivers = deliverer(posts)
    delivers.deliver(batch(9))
    delivers.deliver(batch(30))
    posts.requests.clear()

    delivers.deliver(batch(9))

    assert [len(each) for each in posts.requests] == [9]


@pytest.mark.parametrize("odd", [413, 422, 200])
def test_no_good_record_is_rejected_for_odd_answers(odd):
    draw = Random(odd)

    def answer(_records):
        body = {"errors": True, "message": "None were inserted."}
        return Answer(odd, body) if draw.random() < 0.3 else OK

    delivers = deliverer(
        ScriptedClient(then=answer), backoff=Backoff(attempts=30, draw=lambda: 0.5)
    )
    sizes = [1, 1, 2, 1, 3, 20, 1, 50] * 40

    receipts = [delivers.deliver(batch(size)) for size in sizes]

    assert sum(len(receipt.rejections) for receipt in receipts) == 0
    assert sum(receipt.accepted for receipt in receipts) >= 0.9 * sum(sizes)


def test_a_refused_request_is_retried_if_others_were_accepted():
    posts = ScriptedClient(OK, Answer(404), Answer(400), Answer(302))
    delivers = deliverer(posts)

    receipts = [delivers.deliver(batch(3)) for _ in range(2)]

    assert [(receipt.accepted, receipt.requests) for receipt in receipts] == [(3, 1), (3, 4)]


# -- what ends the run -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_ends_the_run_at_once(status):
    stop = NoWait()
    posts = ScriptedClient(then=Answer(status, {"message": "invalid api key."}))

    receipt = deliverer(posts, stop=stop, max_chunk_bytes=200).deliver(batch(20))

    assert len(posts.requests) == 1
    assert isinstance(receipt.stop, KeyRefusedError)
    assert list(receipt.pending) == list(range(1, 21))
    assert stop.is_set()
    assert stop.waits == []


def test_records_accepted_before_a_refused_key_stay_accepted():
    posts = ScriptedClient(OK, then=Answer(401))

    receipt = deliverer(posts, max_chunk_bytes=200).deliver(batch(10))

    assert receipt.accepted == len(posts.requests[0])
    assert len(receipt.pending) == 10 - receipt.accepted


@pytest.mark.parametrize("answer", [Answer(302, location="elsewhere.test"), Answer(404)])
def test_a_permanent_error_ends_the_run_and_leaves_records_pending(answer):
    posts = ScriptedClient(then=answer)

    receipt = deliverer(posts).deliver(batch(5))

    assert (len(posts.requests), receipt.accepted, len(receipt.pending)) == (1, 0, 5)
    assert isinstance(receipt.stop, DeliveryError)


# -- 200 with errors and no named record -----------------------------------------------------------

TROUBLE = Answer(200, {"errors": True, "message": "None were inserted."})


def test_a_passing_error_rejects_nothing():
    receipt = deliverer(ScriptedClient(TROUBLE)).deliver(batch(5))

    assert (receipt.accepted, receipt.rejections, receipt.possible_duplicates) == (5, (), 0)


def test_a_passing_error_for_a_single_record_rejects_nothing():
    receipt = deliverer(ScriptedClient(TROUBLE, TROUBLE)).deliver(batch(1))

    assert (receipt.accepted, receipt.rejections) == (1, ())


@pytest.mark.parametrize("bad", [1, 4, 9])
def test_a_record_with_a_persistent_error_is_found_while_others_are_accepted(bad):
    troubled = is_bad(bad)
    posts = ScriptedClient(then=lambda records: TROUBLE if any(map(troubled, records)) else OK)

    receipt = deliverer(posts).deliver(batch(9))

    assert lines_of(receipt.rejections) == [bad]
    assert TROUBLE.body["message"] in receipt.rejections[0].reasons[0].text
    assert (receipt.accepted, receipt.stop) == (8, None)


def test_a_persistent_error_for_every_record_rejects_none():
    """It may be Miso's own."""
    receipt = deliverer(ScriptedClient(then=TROUBLE)).deliver(batch(9))

    assert (receipt.accepted, receipt.rejections) == (0, ())
    assert list(receipt.pending) == list(range(1, 10))
    assert TROUBLE.body["message"] in str(receipt.stop)


# -- retries ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [BUSY, Answer(429), NOT_SENT])
def test_records_that_were_not_stored_are_resent_without_duplicates(again):
    posts = ScriptedClient(again, again)

    receipt = deliverer(posts).deliver(batch(5))

    assert (receipt.accepted, receipt.possible_duplicates, receipt.requests) == (5, 0, 3)


def test_waits_grow_and_are_reported(golden):
    stop, waits = NoWait(), RecordingListener()

    deliverer(ScriptedClient(*[Answer(500)] * 3), stop=stop, listener=waits).deliver(batch(1))

    assert stop.waits == [0.25, 0.5, 1.0]
    assert [wait for wait, _ in waits.heard] == stop.waits
    assert [why for _, why in waits.heard] == golden


def test_a_lower_limit_of_requests_is_reported(golden):
    waits = RecordingListener()

    deliverer(ScriptedClient(BUSY, BUSY, BUSY), listener=waits).deliver(batch(1))

    assert [why for _, why in waits.heard] == golden


def test_retry_after_of_one_request_delays_all():
    stop = NoWait()
    delivers = deliverer(ScriptedClient(Answer(429, retry_after=7)), stop=stop)
    delivers._stop = StopDuringWait()
    delivers.deliver(batch(1))
    delivers._stop = stop

    delivers.deliver(batch(1))

    assert stop.waits == [7]


def test_retry_after_is_waited_for():
    stop = NoWait()

    deliverer(ScriptedClient(Answer(429, retry_after=7)), stop=stop).deliver(batch(1))

    assert stop.waits == [7]


@pytest.mark.parametrize("again", [BUSY, NOT_SENT])
def test_attempts_are_limited(again, golden):
    posts = ScriptedClient(then=again)

    receipt = deliverer(posts, backoff=Backoff(attempts=3)).deliver(batch(5))

    assert receipt.requests == 3
    assert list(receipt.pending) == [1, 2, 3, 4, 5]
    assert str(receipt.stop) == golden


def test_a_retry_after_beyond_patience_ends_the_run(golden):
    stop = NoWait()
    posts = ScriptedClient(then=Answer(503, retry_after=86_400.0))

    receipt = deliverer(posts, stop=stop).deliver(batch(5))

    assert stop.waits == []
    assert "--retry-for" in str(receipt.stop)
    assert str(receipt.stop) == golden


def test_pace_delays_requests():
    class Turns:
        def reserve(self):
            return 3.0

    stop = NoWait()

    deliverer(ScriptedClient(), stop=stop, pace=Turns()).deliver(batch(1))

    assert stop.waits == [3.0]


def test_nothing_is_sent_after_a_stop_during_a_pace_wait():
    class StopsInTurn(NoWait):
        def wait(self, timeout=None):
            self.set()
            return True

    posts = ScriptedClient()

    receipt = deliverer(posts, stop=StopsInTurn()).deliver(batch(5))

    assert posts.requests == []
    assert len(receipt.pending) == 5


def test_a_stop_ends_a_wait_and_leaves_the_rest_for_the_next_run():
    posts = ScriptedClient(then=BUSY)

    receipt = deliverer(posts, stop=StopDuringWait()).deliver(batch(5))

    assert len(posts.requests) == 1
    assert len(receipt.pending) == 5
    assert receipt.stop is None


# -- unknown outcomes ------------------------------------------------------------------------------

UNKNOWN = [
    LOST,
    *map(Answer, (200, 408, 500, 502, 503, 504, 520)),
    Answer(200, "<html>"),
    Answer(500, retry_after=0.0),
]


@pytest.mark.parametrize("unknown", UNKNOWN)
def test_a_resent_unknown_record_counts_as_possible_duplicate(unknown):
    receipt = deliverer(ScriptedClient(unknown)).deliver(batch(5))

    assert (receipt.accepted, receipt.possible_duplicates) == (5, 5)


@pytest.mark.parametrize("unknown", UNKNOWN)
@pytest.mark.parametrize("policy", ["hold", "skip"])
def test_an_unknown_outcome_is_not_resent_if_the_user_says_so(unknown, policy):
    posts = ScriptedClient(unknown)

    receipt = deliverer(posts, on_unknown=policy, max_chunk_bytes=200).deliver(batch(8))

    first = len(posts.requests[0])
    assert list(receipt.unknown) == list(range(1, first + 1))
    assert receipt.accepted == 8 - first
    assert (receipt.possible_duplicates, receipt.stop) == (0, None)


@pytest.mark.parametrize("policy", ["hold", "skip"])
def test_many_unknown_outcomes_in_a_row_stop_the_run(policy):
    stop, posts = NoWait(), ScriptedClient(then=Answer(502))
    delivers = deliverer(posts, stop=stop, on_unknown=policy, most_unknown=3)

    receipts = [delivers.deliver(batch(5)) for _ in range(5)]

    assert len(posts.requests) == 3
    assert [len(receipt.unknown) for receipt in receipts] == [5, 5, 5, 0, 0]
    assert isinstance(receipts[2].stop, DeliveryError)
    assert stop.is_set()


def test_occasional_unknown_outcomes_do_not_stop_the_run():
    posts = ScriptedClient(*[LOST, OK] * 20)
    delivers = deliverer(posts, on_unknown="hold", most_unknown=2)

    receipts = [delivers.deliver(batch(5)) for _ in range(40)]

    assert sum(len(receipt.unknown) for receipt in receipts) == 100
    assert all(receipt.stop is None for receipt in receipts)


def test_only_records_with_an_unknown_outcome_count_as_possible_duplicates():
    posts = ScriptedClient(OK, LOST)

    receipt = deliverer(posts, max_chunk_bytes=200).deliver(batch(9))

    assert receipt.possible_duplicates == len(posts.requests[1])
    assert receipt.accepted == 9


def test_each_unknown_outcome_may_be_an_extra_copy():
    receipt = deliverer(ScriptedClient(LOST, Answer(503), Answer(503))).deliver(batch(5))

    assert receipt.possible_duplicates == 5
    assert receipt.extra_copies == {"lost answer": 5, "503": 10}
    assert receipt.unknown_by_cause == {}


def test_the_first_unknown_outcome_is_no_extra_copy_if_nothing_is_accepted(golden):
    posts = ScriptedClient(then=Answer(500))

    receipt = deliverer(posts, backoff=Backoff(attempts=3)).deliver(batch(5))

    assert receipt.unknown_by_cause == {"500": 5}
    assert receipt.extra_copies == {"500": 10}
    assert receipt.possible_duplicates == 0
    assert "--on-unknown skip" in str(receipt.stop)
    assert str(receipt.stop) == golden


def test_copies_add_up_over_runs():
    """Three requests with an unknown outcome and one that was accepted: three extra copies."""
    first = deliverer(ScriptedClient(then=Answer(500)), backoff=Backoff(attempts=2)).deliver(
        batch(5)
    )
    doubtful = [line - 1 for line in first.unknown]
    second = deliverer(ScriptedClient(LOST)).deliver(
        batch(5), Selection(fresh=[], doubtful=doubtful)
    )

    assert first.extra_copies == {"500": 5}
    assert second.extra_copies == {"earlier run": 5, "lost answer": 5}


@pytest.mark.parametrize("policy", ["hold", "skip"])
def test_a_busy_server_delays_the_next_request_if_nothing_is_resent(policy):
    stop = NoWait()
    delivers = deliverer(ScriptedClient(BUSY_UNPROVEN, BUSY_UNPROVEN), stop=stop, on_unknown=policy)

    receipts = [delivers.deliver(batch(5)) for _ in range(3)]

    assert [len(receipt.unknown) for receipt in receipts] == [5, 5, 0]
    assert [round(wait, 3) for wait in stop.waits] == [0.25, 0.5]


def test_a_status_given_as_not_stored_leaves_no_doubt():
    posts = ScriptedClient(BUSY_UNPROVEN, Answer(500))

    receipt = deliverer(posts, on_unknown="hold", not_stored=(500, 503)).deliver(batch(5))

    assert (receipt.accepted, receipt.extra_copies, receipt.unknown_by_cause) == (5, {}, {})


def test_a_receipt_crosses_a_process_boundary():
    receipt = deliverer(ScriptedClient(LOST)).deliver(batch(5))

    assert pickle.loads(pickle.dumps(receipt)) == receipt


def test_doubt_survives_a_refusal_and_a_split():
    posts = ScriptedClient(
        LOST, Answer(413), Answer(422, {"data": ["data.0.user_id is invalid. No."]})
    )

    receipt = deliverer(posts).deliver(batch(8))

    assert (receipt.accepted, receipt.possible_duplicates) == (7, 7)


def test_a_persistent_unknown_outcome_is_unknown_and_not_pending():
    receipt = deliverer(ScriptedClient(LOST, then=NOT_SENT), backoff=Backoff(attempts=3)).deliver(
        batch(5)
    )

    assert list(receipt.unknown) == [1, 2, 3, 4, 5]
    assert not receipt.pending


def test_records_of_a_killed_run_count_as_possible_duplicates():
    receipt = deliverer(ScriptedClient()).deliver(batch(5), Selection(fresh=[], doubtful=range(5)))

    assert (receipt.accepted, receipt.possible_duplicates) == (5, 5)


def test_only_what_is_selected_is_sent_and_only_its_doubtful_part_counts():
    posts = ScriptedClient()
    selection = Selection(fresh=[6], doubtful=[1, 2])

    receipt = deliverer(posts).deliver(batch(9), selection)

    assert [numbers(each) for each in posts.requests] == [[2, 3], [7]]
    assert (receipt.accepted, receipt.possible_duplicates) == (3, 2)


@pytest.mark.parametrize("policy", ["hold", "skip"])
def test_doubtful_records_are_not_sent_if_the_user_says_so(policy):
    posts = ScriptedClient()
    selection = Selection(fresh=[6], doubtful=[1, 2])

    receipt = deliverer(posts, on_unknown=policy).deliver(batch(9), selection)

    assert [numbers(each) for each in posts.requests] == [[7]]
    assert list(receipt.unknown) == [2, 3]


# -- any sequence of answers -----------------------------------------------------------------------

INDEXES = st.integers(0, 40)
LINES = st.lists(
    st.builds("data.{}.user_id is invalid. No.".format, INDEXES)
    | st.just("Some record is bad.")
    | st.none(),
    max_size=5,
)
ANSWERS = st.one_of(
    st.just(OK),
    st.just(LOST),
    st.just(NOT_SENT),
    st.builds(
        Answer,
        st.sampled_from([200, 302, 400, 401, 404, 408, 413, 422, 429, 500, 502, 503, 504]),
        st.none()
        | st.just({"message": "success"})
        | st.builds(lambda lines: {"errors": True, "data": lines}, LINES)
        | st.just({"detail": [{"msg": "bad"}]}),
        st.none() | st.floats(0, 1000),
    ),
    st.builds(lambda lines: Answer(422, {"errors": True, "data": lines}), LINES),
)


@st.composite
def selections(draw, count):
    if draw(st.booleans()):
        return Selection()
    indices = draw(st.permutations(range(count)))
    cut, end = sorted(draw(st.tuples(st.integers(0, count), st.integers(0, count))))
    return Selection(fresh=sorted(indices[cut:end]), doubtful=sorted(indices[:cut]))


@settings(max_examples=400)
@given(st.data())
def test_every_record_has_exactly_one_outcome_and_counts_are_exact(data):
    count = data.draw(st.integers(1, 30))
    selection = data.draw(selections(count))
    some = batch(count, slice_rows=data.draw(st.integers(1, 30)))
    posts = ScriptedClient(*data.draw(st.lists(ANSWERS, max_size=25)), then=data.draw(ANSWERS))
    policy = data.draw(st.sampled_from(["resend", "hold", "skip"]))
    stop = data.draw(st.builds(StopAfter, st.integers(0, 60)) | st.builds(NoWait))
    taken, doubtful = watch(posts)

    receipt = deliverer(
        posts,
        stop=stop,
        max_chunk_bytes=data.draw(st.integers(60, 2000)),
        on_unknown=policy,
        backoff=Backoff(attempts=data.draw(st.integers(1, 5)), draw=lambda: 0.5),
        most_refusals=data.draw(st.integers(1, 20)),
    ).deliver(some, selection)

    fresh = range(count) if selection.fresh is None else selection.fresh
    before = {index + 1 for index in selection.doubtful}
    meant = before | {index + 1 for index in fresh}
    rejected, unknown, pending = map(
        Counter, (lines_of(receipt.rejections), receipt.unknown, receipt.pending)
    )
    accepted = Counter(taken)
    assert accepted + rejected + unknown + pending == Counter(meant)
    assert receipt.accepted == accepted.total()
    assert receipt.possible_duplicates == sum(
        line in before or line in doubtful for line in accepted
    )
    assert all(line in before or line in doubtful for line in unknown)
    assert not any(line in before or line in doubtful for line in pending)
    outcomes = {line: doubtful[line] + (line in before) for line in meant}
    assert sum(receipt.extra_copies.values()) == sum(outcomes[line] for line in accepted) + sum(
        outcomes[line] - 1 for line in unknown
    )
    assert sum(receipt.unknown_by_cause.values()) == unknown.total()
    assert receipt.requests == len(posts.requests)
    assert receipt.bytes_sent == sum(posts.sizes)
    assert policy == "resend" or receipt.possible_duplicates == 0


def watch(posts):
    """Note which records were accepted, and which were sent with an open outcome before."""
    taken, doubtful = [], Counter()
    post = posts.post

    def watching(body):
        try:
            answer = post(body)
        except UnknownOutcomeError:
            doubtful.update(numbers(posts.requests[-1]))
            raise
        says_success = isinstance(answer.body, dict) and not answer.body.get("errors")
        if answer.status == 200 and says_success and "message" in answer.body:
            taken.extend(numbers(posts.requests[-1]))
        elif (
            answer.status in (408, 500, 502, 504)
            or (answer.status == 503 and answer.retry_after is None)
            or (
                answer.status == 200
                and not (
                    isinstance(answer.body, dict) and answer.body.keys() & {"message", "errors"}
                )
            )
        ):
            doubtful.update(numbers(posts.requests[-1]))
        return answer

    posts.post = watching
    return taken, doubtful
