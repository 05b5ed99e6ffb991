import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.delivery.answers import Answer, Verdict, judge_answer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["errors", "message", "data", "detail", "msg"]) | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def verdict(status, body=None):
    return judge_answer(Answer(status, body)).verdict


@pytest.mark.parametrize(
    "body",
    [
        {"message": "success"},
        {"errors": False, "message": "success"},
        {"took": 3, "errors": False, "data": []},
        {"message": "success", "task_id": "a-b-c"},
    ],
)
def test_what_miso_says_when_it_took_the_records_is_acceptance(body):
    assert verdict(200, body) is Verdict.ACCEPTED


@pytest.mark.parametrize("body", [None, [], "success", 200, True, {}, {"error": "log in first"}])
def test_a_200_that_is_not_from_miso_leaves_the_outcome_open(body):
    """A login page, a proxy, an empty or a truncated body: `None` stands for no JSON at all."""
    assert verdict(200, body) is Verdict.UNKNOWN


def test_a_200_that_says_errors_is_no_acceptance():
    judgement = judge_answer(Answer(200, {"errors": True, "message": "None were inserted."}))

    assert judgement.verdict is Verdict.TROUBLED
    assert "200" in judgement.message
    assert "None were inserted." in judgement.message


def test_a_200_that_says_errors_and_names_records_is_a_refusal():
    lines = ["data.0.type is invalid. No."]

    judgement = judge_answer(Answer(200, {"errors": True, "data": lines}))

    assert judgement.verdict is Verdict.REFUSED
    assert judgement.lines == lines


@pytest.mark.parametrize(
    ("status", "overload"), [(429, True), (503, True), (408, False), (500, False), (502, False)]
)
def test_only_a_server_that_has_too_much_to_do_is_spared(status, overload):
    assert judge_answer(Answer(status)).overload is overload


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_says_what_to_look_at(status, golden):
    judgement = judge_answer(Answer(status, {"message": "invalid api key."}))

    assert judgement.verdict is Verdict.KEY_REFUSED
    assert str(status) in judgement.message
    assert "invalid api key." in judgement.message
    assert judgement.message == golden


def test_an_upload_to_the_playground_is_a_matter_of_the_key():
    said = {"message": "You cannot upload to the Playground environment."}

    assert verdict(400, said) is Verdict.KEY_REFUSED


def test_a_timeout_inside_miso_leaves_the_outcome_open():
    """Its body has a stray colon in the name, as Miso sends it."""
    assert verdict(400, {"message:": "Request timeout."}) is Verdict.UNKNOWN


def test_429_proves_that_nothing_was_stored():
    assert verdict(429) is Verdict.BUSY


def test_503_with_retry_after_proves_that_nothing_was_stored():
    assert judge_answer(Answer(503, retry_after=0.0)).verdict is Verdict.BUSY


@pytest.mark.parametrize("status", [408, *range(500, 600)])
def test_408_and_5xx_prove_nothing(status):
    judgement = judge_answer(Answer(status))

    assert (judgement.verdict, judgement.cause) == (Verdict.UNKNOWN, str(status))


@pytest.mark.parametrize("status", [408, 500, 502, 504, 520])
def test_retry_after_proves_nothing_beside_another_status_than_503(status):
    judgement = judge_answer(Answer(status, retry_after=3.0))

    assert (judgement.verdict, judgement.retry_after) == (Verdict.UNKNOWN, 3.0)


@pytest.mark.parametrize("status", [408, 500, 503])
def test_a_status_that_the_user_knows_to_be_a_refusal_proves_that_nothing_was_stored(status):
    judgement = judge_answer(Answer(status), not_stored={status})

    assert (judgement.verdict, judgement.cause) == (Verdict.BUSY, "")
    assert judge_answer(Answer(502), not_stored={status}).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("status", [*range(300, 408), *range(409, 500)])
def test_every_3xx_and_4xx_but_408_proves_that_nothing_was_stored(status):
    assert verdict(status, {"message": "no"}) not in (Verdict.ACCEPTED, Verdict.UNKNOWN)


@pytest.mark.parametrize("status", [101, 199, 600, 999])
def test_a_status_that_http_does_not_know_proves_nothing(status):
    assert verdict(status, {"message": "success"}) is Verdict.UNKNOWN


def test_a_busy_server_may_say_when_to_come_back():
    assert judge_answer(Answer(503, retry_after=7.0)).retry_after == 7.0


def test_a_request_that_is_too_large_is_told_apart():
    assert verdict(413) is Verdict.TOO_LARGE


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_fails_and_says_where_it_would_have_gone(status, golden):
    judgement = judge_answer(Answer(status, location="login.example.org"))

    assert judgement.verdict is Verdict.FAILED
    assert "login.example.org" in judgement.message
    assert judgement.message == golden


@pytest.mark.parametrize("status", [400, 404, 405, 409, 415])
def test_what_trying_again_cannot_help_fails(status):
    assert verdict(status, {"message": "no"}) is Verdict.FAILED


@pytest.mark.parametrize(
    "body",
    [
        {"errors": True, "message": "It is so."},
        {"message:": "It is so."},
        {"detail": "It is so."},
        {"detail": [{"loc": ["body", "data", 3], "msg": "It is so.", "type": "value_error"}]},
        {"errors": True, "data": {"errors": [{"loc": ["body"], "msg": "It is so."}]}},
    ],
)
def test_miso_is_quoted_whatever_shape_its_answer_has(body):
    message = judge_answer(Answer(422, body)).message

    assert "422" in message
    assert message.endswith("It is so.")


def test_what_a_server_says_cannot_act_on_a_terminal():
    judgement = judge_answer(Answer(500, {"message": "\x1b[2Jgone\nfor good"}))

    assert judgement.message.isprintable()


@given(st.integers(100, 999), JSON)
def test_any_answer_has_a_verdict(status, body):
    judgement = judge_answer(Answer(status, body))

    assert judgement.message.isprintable()
    if judgement.verdict is Verdict.ACCEPTED:
        assert 200 <= status < 300
        assert not body.get("errors")
