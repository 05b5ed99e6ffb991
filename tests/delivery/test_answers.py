import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.delivery.answers import Answer, Outcome, classify_answer

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


def outcome(status, body=None):
    return classify_answer(Answer(status, body)).outcome


@pytest.mark.parametrize(
    "body",
    [
        {"message": "success"},
        {"errors": False, "message": "success"},
        {"took": 3, "errors": False, "data": []},
        {"message": "success", "task_id": "a-b-c"},
    ],
)
def test_200_with_misos_json_is_accepted(body):
    assert outcome(200, body) is Outcome.ACCEPTED


@pytest.mark.parametrize("body", [None, [], "success", 200, True, {}, {"error": "log in first"}])
def test_200_without_misos_json_is_unknown(body):
    """A login page, a proxy, an empty or a truncated body: `None` stands for no JSON at all."""
    assert outcome(200, body) is Outcome.UNKNOWN


def test_200_with_errors_is_not_accepted():
    result = classify_answer(Answer(200, {"errors": True, "message": "None were inserted."}))

    assert result.outcome is Outcome.UNEXPLAINED
    assert "200" in result.message
    assert "None were inserted." in result.message


def test_200_with_errors_that_names_records_is_a_refusal():
    lines = ["data.0.type is invalid. No."]

    result = classify_answer(Answer(200, {"errors": True, "data": lines}))

    assert result.outcome is Outcome.REFUSED
    assert result.lines == lines


@pytest.mark.parametrize(
    ("status", "overload"), [(429, True), (503, True), (408, False), (500, False), (502, False)]
)
def test_only_429_and_503_mean_overload(status, overload):
    assert classify_answer(Answer(status)).overload is overload


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_names_what_to_check(status, golden):
    result = classify_answer(Answer(status, {"message": "invalid api key."}))

    assert result.outcome is Outcome.KEY_REFUSED
    assert str(status) in result.message
    assert "invalid api key." in result.message
    assert result.message == golden


def test_the_playground_refuses_the_key():
    said = {"message": "You cannot upload to the Playground environment."}

    assert outcome(400, said) is Outcome.KEY_REFUSED


def test_a_timeout_inside_miso_is_unknown():
    """Its body has a stray colon in the name, as Miso sends it."""
    assert outcome(400, {"message:": "Request timeout."}) is Outcome.UNKNOWN


def test_429_proves_that_nothing_was_stored():
    assert outcome(429) is Outcome.BUSY


def test_503_with_retry_after_proves_that_nothing_was_stored():
    assert classify_answer(Answer(503, retry_after=0.0)).outcome is Outcome.BUSY


@pytest.mark.parametrize("status", [408, *range(500, 600)])
def test_408_and_5xx_prove_nothing(status):
    result = classify_answer(Answer(status))

    assert (result.outcome, result.cause) == (Outcome.UNKNOWN, str(status))


@pytest.mark.parametrize("status", [408, 500, 502, 504, 520])
def test_retry_after_proves_nothing_with_other_statuses_than_503(status):
    result = classify_answer(Answer(status, retry_after=3.0))

    assert (result.outcome, result.retry_after) == (Outcome.UNKNOWN, 3.0)


@pytest.mark.parametrize("status", [408, 500, 503])
def test_a_status_given_as_not_stored_proves_that_nothing_was_stored(status):
    result = classify_answer(Answer(status), not_stored={status})

    assert (result.outcome, result.cause) == (Outcome.BUSY, "")
    assert classify_answer(Answer(502), not_stored={status}).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("status", [*range(300, 408), *range(409, 500)])
def test_every_3xx_and_4xx_except_408_proves_that_nothing_was_stored(status):
    assert outcome(status, {"message": "no"}) not in (Outcome.ACCEPTED, Outcome.UNKNOWN)


@pytest.mark.parametrize("status", [101, 199, 600, 999])
def test_an_unknown_status_proves_nothing(status):
    assert outcome(status, {"message": "success"}) is Outcome.UNKNOWN


def test_retry_after_is_passed_on():
    assert classify_answer(Answer(503, retry_after=7.0)).retry_after == 7.0


def test_413_is_too_large():
    assert outcome(413) is Outcome.TOO_LARGE


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_fails_and_names_its_host(status, golden):
    result = classify_answer(Answer(status, location="login.example.org"))

    assert result.outcome is Outcome.REQUEST_REFUSED
    assert "login.example.org" in result.message
    assert result.message == golden


@pytest.mark.parametrize("status", [400, 404, 405, 409, 415])
def test_an_error_that_a_retry_cannot_fix_refuses_the_request(status):
    assert outcome(status, {"message": "no"}) is Outcome.REQUEST_REFUSED


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
def test_misos_message_is_quoted_from_every_known_key(body):
    result = classify_answer(Answer(422, body))

    assert result.quoted == "422: It is so."
    assert result.quoted in result.message


def test_a_servers_message_is_printable():
    result = classify_answer(Answer(500, {"message": "\x1b[2Jgone\nfor good"}))

    assert result.message.isprintable()


@given(st.integers(100, 999), JSON)
def test_any_answer_has_an_outcome(status, body):
    result = classify_answer(Answer(status, body))

    assert result.message.isprintable()
    if result.outcome is Outcome.ACCEPTED:
        assert 200 <= status < 300
        assert not body.get("errors")
