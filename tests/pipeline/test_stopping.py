import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from miso_upload.pipeline.interrupt import StopReading, StopSignal
from tests.helpers.paths import ROOT
from tests.helpers.processes import started

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are a matter of POSIX")


def send(number):
    os.kill(os.getpid(), number)


def test_a_stop_is_said_once_for_all():
    stop = StopSignal()
    assert not stop.is_set()
    assert not stop.wait(0.01)

    stop.set()

    assert stop.is_set()
    assert stop.wait(60)
    assert stop.signal_number is None


def test_a_stop_ends_the_wait_of_every_thread():
    stop = StopSignal()
    waited = []
    threads = [threading.Thread(target=lambda: waited.append(stop.wait())) for _ in range(3)]
    for thread in threads:
        thread.start()

    stop.set()

    for thread in threads:
        thread.join(10)
    assert waited == [True] * 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_says_to_stop(number):
    stop = StopSignal()

    with stop.on_signals():
        send(number)

    assert stop.is_set()
    assert stop.signal_number == number


def test_the_handlers_of_before_come_back():
    before = signal.getsignal(signal.SIGTERM)

    with StopSignal().on_signals():
        assert signal.getsignal(signal.SIGTERM) is not before

    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_that_a_parent_has_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop = StopSignal()
    try:
        with stop.on_signals():
            send(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)

    assert not stop.is_set()


def test_another_thread_may_run_it_without_signals():
    stopped = []

    def run():
        with StopSignal().on_signals():
            stopped.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert stopped == [signal.getsignal(signal.SIGTERM)]


def test_a_signal_may_come_while_the_stop_is_being_said():
    """The handler says it again, in the thread that is just saying it."""
    stop = StopSignal()
    with stop.on_signals(), stop._changed:
        send(signal.SIGTERM)

    assert stop.is_set()


def test_a_read_that_waits_for_input_is_broken_off():
    read, write = os.pipe()
    stop = StopSignal()
    alarm = threading.Timer(0.1, send, [signal.SIGINT])
    alarm.start()

    with stop.on_signals(), pytest.raises(StopReading), stop.reading():
        os.read(read, 1)

    assert stop.signal_number == signal.SIGINT
    os.close(read)
    os.close(write)


def test_a_read_that_waits_for_input_is_broken_off_by_another_thread_too():
    read, write = os.pipe()
    stop = StopSignal()
    alarm = threading.Timer(0.1, stop.set)
    alarm.start()

    with stop.on_signals(), pytest.raises(StopReading), stop.reading():
        os.read(read, 1)

    assert stop.signal_number is None
    os.close(read)
    os.close(write)


def test_a_read_is_not_begun_after_the_stop_was_said():
    stop = StopSignal()
    stop.set()

    with pytest.raises(StopReading), stop.reading():
        raise AssertionError


def test_a_thread_that_says_stop_breaks_off_nothing_but_a_read():
    stop = StopSignal()
    with stop.on_signals():
        with stop.reading():
            pass
        thread = threading.Thread(target=stop.set)
        thread.start()
        thread.join()
        time.sleep(0.05)

    assert stop.is_set()


def test_what_is_no_read_is_not_broken_off():
    stop = StopSignal()
    with stop.on_signals():
        with stop.reading():
            pass
        send(signal.SIGINT)

    assert stop.is_set()


def test_items_come_until_told_to_stop():
    stop = StopSignal()

    got = []
    for item in stop.interruptible(iter(range(10))):
        got.append(item)
        if item == 3:
            stop.set()

    assert got == [0, 1, 2, 3]


def test_all_items_come_if_nobody_says_to_stop():
    assert list(StopSignal().interruptible(iter(range(10)))) == list(range(10))


def test_an_error_between_items_is_passed_on():
    def items():
        yield 1
        raise ValueError

    stop = StopSignal()

    with pytest.raises(ValueError), stop.on_signals():  # noqa: PT011 -- our own, just above
        list(stop.interruptible(items()))


def test_items_that_wait_for_input_are_broken_off():
    read, write = os.pipe()
    os.write(write, b"1")

    def items():
        while True:
            yield os.read(read, 1)

    stop = StopSignal()
    alarm = threading.Timer(0.1, send, [signal.SIGTERM])
    alarm.start()
    with stop.on_signals():
        got = list(stop.interruptible(items()))

    assert got == [b"1"]
    assert stop.signal_number == signal.SIGTERM
    os.close(read)
    os.close(write)


ANY_MOMENT = """
import os, signal, threading
from miso_upload.pipeline.interrupt import StopSignal

for _ in range(200):
    stop = StopSignal()
    alarm = threading.Timer(0.0005, os.kill, (os.getpid(), signal.SIGTERM))
    with stop.on_signals():
        alarm.start()
        got = list(stop.interruptible(iter(range(10**9))))
        alarm.join()
    assert got == list(range(len(got)))
    assert stop.is_set()
"""


ANY_MOMENT_OF_A_THREAD = """
import threading
from miso_upload.pipeline.interrupt import StopSignal

for _ in range(200):
    stop = StopSignal()
    alarm = threading.Timer(0.0005, stop.set)
    with stop.on_signals():
        alarm.start()
        got = list(stop.interruptible(iter(range(10**9))))
        alarm.join()
    assert got == list(range(len(got)))
    assert stop.is_set()
"""


@pytest.mark.parametrize("program", [ANY_MOMENT, ANY_MOMENT_OF_A_THREAD])
def test_signals_at_any_moment_lose_nothing_but_the_item_at_hand(program):
    """However a signal falls between the lines of `interruptible`, it ends in good order.

    In a process of its own: what measures the coverage of this one cannot be broken off anywhere.
    """
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, timeout=60, capture_output=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, b"")


PROGRAM = """
import sys, time
from miso_upload.pipeline.interrupt import StopSignal

def leave():
    print("left in order", flush=True)
    if "--broken" in sys.argv:
        raise OSError

with StopSignal().on_signals(leave):
    print("ready", flush=True)
    for _ in range(600):
        time.sleep(0.1)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("broken", [[], ["--broken"]])
def test_the_second_signal_ends_the_process_at_once(number, broken):
    with started(
        [sys.executable, "-c", PROGRAM, *broken],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout.readline() == "ready\n"

        while process.poll() is None:
            # The first may come twice before it is handled once, and then it was one.
            with suppress(ProcessLookupError):
                process.send_signal(number)
            time.sleep(0.05)

        out, err = process.communicate(timeout=10)
    assert process.returncode == 128 + number
    assert (out, err) == ("left in order\n", "")
