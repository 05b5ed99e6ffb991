import time
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.delivery import Backoff, Pace

SECONDS = st.floats(0, 1e12)


@pytest.mark.parametrize(
    ("attempt", "most"), [(1, 0.5), (2, 1), (3, 2), (7, 32), (8, 60), (99, 60)]
)
def test_waits_double_up_to_a_limit(attempt, most):
    lowest = Backoff(attempts=100, draw=lambda: 0.0)
    highest = Backoff(attempts=100, draw=lambda: 1.0)

    assert lowest.wait(attempt, 0, None) == 0
    assert highest.wait(attempt, 0, None) == most


def test_retry_after_is_obeyed():
    assert Backoff(draw=lambda: 1.0).wait(1, 0, 7.0) == 7.0


@pytest.mark.parametrize("named", [0.0, -5.0])
def test_retry_after_of_zero_or_less_keeps_our_own_wait(named):
    """A date that is past by our clock, which may be wrong."""
    assert Backoff(draw=lambda: 1.0).wait(3, 0, named) == 2.0


def test_the_number_of_attempts_is_limited():
    backoff = Backoff(attempts=3, draw=lambda: 0.0)

    assert backoff.wait(2, 0, None) is not None
    assert backoff.wait(3, 0, None) is None


@pytest.mark.parametrize("named", [600.1, 86_400.0, float("inf")])
def test_a_wait_longer_than_patience_gives_up(named):
    assert Backoff(patience=600).wait(1, 0, named) is None


def test_patience_limits_the_sum_of_waits():
    backoff = Backoff(patience=10)

    assert backoff.wait(1, 4.0, 6.0) == 6.0
    assert backoff.wait(1, 4.1, 6.0) is None


@given(
    st.integers(1, 10**6),
    SECONDS,
    st.none() | SECONDS,
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1e6),
)
def test_a_wait_is_never_negative_or_beyond_patience(attempt, waited, named, drawn, patience):
    backoff = Backoff(attempts=10**7, patience=patience, draw=lambda: drawn)

    wait = backoff.wait(attempt, waited, named)

    if wait is not None:
        assert wait >= (named or 0)
        assert waited + wait <= patience
        assert named is not None or wait <= backoff.longest


def test_the_default_jitter_is_random():
    waits = {Backoff().wait(5, 0, None) for _ in range(20)}

    assert len(waits) > 1


def test_pace_without_a_limit_never_waits():
    assert [Pace(None).reserve() for _ in range(3)] == [0, 0, 0]


def test_pace_spreads_requests_evenly(monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    pace = Pace(4)

    assert [pace.reserve() for _ in range(4)] == [0, 0.25, 0.5, 0.75]


def test_pace_does_not_save_up_unused_slots(monkeypatch):
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    pace = Pace(4)
    pace.reserve()
    now = 1060.0

    assert [pace.reserve() for _ in range(2)] == [0, 0.25]


def test_threads_never_reserve_the_same_slot(monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    pace = Pace(1)
    turns = []
    threads = [
        Thread(target=lambda: turns.extend(pace.reserve() for _ in range(100))) for _ in range(8)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(turns) == list(range(800))
