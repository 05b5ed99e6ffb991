import threading
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.delivery import Throttle


class Clock:
    """Goes forward when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        """Return the seconds."""
        return self.now


def take(throttle):
    """Take a place, which is there."""
    wait, ticket = throttle.acquire()
    assert wait == 0
    return ticket


def fill(throttle):
    return [take(throttle) for _ in range(throttle.slots)]


class Server:
    """Is sent as much as the throttle allows, all the time, and serves so many at once."""

    def __init__(self, throttle, capacity):
        self.throttle = throttle
        self.capacity = capacity
        self.served = self.refused = 0
        self._in_flight = []

    def round(self):
        """Answer once for each place."""
        for _ in range(self.throttle.slots):
            while not (acquired := self.throttle.acquire())[0]:
                self._start(acquired[1])
            self.throttle.release(self._in_flight.pop(0), succeeded=True)
            self.served += 1

    def _start(self, ticket):
        if len(self._in_flight) < self.capacity:
            self._in_flight.append(ticket)
            return
        self.refused += 1
        self.throttle.release(ticket, succeeded=False, busy=True)


def test_no_more_slots_than_allowed():
    throttle = Throttle(3, Clock())

    fill(throttle)

    assert throttle.slots == 3
    assert throttle.acquire()[0] > 0


def test_a_released_slot_is_free():
    throttle = Throttle(1, Clock())

    throttle.release(take(throttle), succeeded=True)

    take(throttle)


def test_a_busy_server_halves_the_slots():
    throttle = Throttle(8, Clock())

    assert throttle.release(take(throttle), succeeded=False, busy=True)

    assert throttle.slots == 4


def test_requests_refused_together_lower_the_limit_once():
    throttle = Throttle(8, Clock())

    fewer = [throttle.release(n, succeeded=False, busy=True) for n in fill(throttle)]

    assert throttle.slots == 4
    assert fewer == [True] + [False] * 7


def test_the_edge_is_tried_again_and_costs_one_slot():
    throttle = Throttle(16, Clock())
    server = Server(throttle, capacity=8)
    while server.served < 500:
        server.round()

    seen = set()
    while server.served < 1500:
        server.round()
        seen.add(throttle.slots)

    assert seen <= {8, 9}


def test_there_is_always_one_slot():
    throttle = Throttle(8, Clock())

    for _ in range(10):
        throttle.release(take(throttle), succeeded=False, busy=True)

    assert throttle.slots == 1


def test_other_failures_do_not_change_the_limit():
    throttle = Throttle(4, Clock())

    for ticket in fill(throttle):
        throttle.release(ticket, succeeded=False)

    assert throttle.slots == 4


def test_slots_come_back_one_at_a_time_up_to_the_maximum():
    throttle = Throttle(8, Clock())
    throttle.release(take(throttle), succeeded=False, busy=True)

    server, seen = Server(throttle, capacity=100), [throttle.slots]
    for _ in range(200):
        server.round()
        seen.append(throttle.slots)

    assert all(after - before in (0, 1) for before, after in pairwise(seen))
    assert seen[0] == 4
    assert set(seen[100:]) == {8}


def test_unused_slots_do_not_raise_the_limit():
    throttle = Throttle(8, Clock())
    throttle.release(take(throttle), succeeded=False, busy=True)

    for _ in range(100):
        throttle.release(take(throttle), succeeded=True)

    assert throttle.slots == 4


@pytest.mark.parametrize("capacity", [1, 2, 3, 5, 12])
def test_a_server_of_constant_capacity_is_rarely_overloaded(capacity):
    throttle = Throttle(16, Clock())

    server = Server(throttle, capacity)

    while server.served < 2000:
        server.round()

    assert server.refused < 0.03 * 2000


def test_the_limit_follows_a_growing_capacity():
    throttle = Throttle(16, Clock())
    server = Server(throttle, capacity=2)
    while server.served < 200:
        server.round()

    server.capacity, before = 16, server.served
    while throttle.slots < 16:
        server.round()

    assert server.served - before < 300


def test_one_wait_applies_to_all_threads():
    clock = Clock()
    throttle = Throttle(4, clock)

    throttle.release(take(throttle), succeeded=False, busy=True, pause=7.0)

    assert throttle.acquire()[0] == 7
    clock.now += 3
    assert throttle.acquire()[0] == 4
    clock.now += 4
    take(throttle)


def test_a_shorter_wait_does_not_end_a_longer_one():
    throttle = Throttle(4, Clock())
    first, second = take(throttle), take(throttle)

    throttle.release(first, succeeded=False, pause=60.0)
    throttle.release(second, succeeded=False, pause=1.0)

    assert throttle.acquire()[0] == 60


STEPS = st.lists(
    st.one_of(
        st.just("acquired"),
        st.tuples(st.booleans(), st.booleans(), st.none() | st.floats(0, 100)),
        st.floats(0, 200),
    ),
    max_size=200,
)


@settings(max_examples=200)
@given(st.integers(1, 20), STEPS)
def test_the_limit_stays_within_bounds(most, steps):
    clock = Clock()
    throttle = Throttle(most, clock)
    taken = []
    for step in steps:
        if step == "acquired":
            wait, ticket = throttle.acquire()
            if not wait:
                assert len(taken) < throttle.slots
                taken.append(ticket)
        elif isinstance(step, tuple):
            well, busy, pause = step
            if taken:
                throttle.release(taken.pop(0), succeeded=well, busy=busy, pause=pause)
        else:
            clock.now += step
        assert 1 <= throttle.slots <= most
    for ticket in taken:
        throttle.release(ticket, succeeded=True)
    clock.now += 1000
    take(throttle)


def test_threads_never_hold_more_slots_than_allowed():
    throttle = Throttle(3)
    lock, in_flight, seen = threading.Lock(), [0], []

    def send():
        for _ in range(200):
            wait, ticket = throttle.acquire()
            if wait:
                continue
            with lock:
                in_flight[0] += 1
                seen.append(in_flight[0])
            with lock:
                in_flight[0] -= 1
            throttle.release(ticket, succeeded=True)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert max(seen) <= 3
