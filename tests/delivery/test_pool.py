import threading

import pytest

from miso_upload.delivery import DeliveryPool
from miso_upload.records import Receipt


def finish(pool, timeout=5):
    done = []
    while len(pool):
        done += pool.finished(timeout)
    return done


def test_each_job_comes_back_with_its_receipt():
    pool = DeliveryPool(3)
    done = []

    for job in range(20):
        while pool.full:
            done += pool.finished(5)
        pool.start(job, lambda job=job: Receipt(accepted=job))
    done += finish(pool)

    assert sorted((job, receipt.accepted) for job, receipt in done) == [(n, n) for n in range(20)]
    pool.close()


def test_no_more_than_the_limit_run_at_once():
    pool = DeliveryPool(3)
    all_there = threading.Barrier(4)

    for job in range(3):
        pool.start(job, lambda: (all_there.wait(5), Receipt())[1])

    assert pool.full
    all_there.wait(5)
    assert len(finish(pool)) == 3
    pool.close()


def test_concurrency_of_zero_runs_in_the_callers_thread():
    pool = DeliveryPool(0)

    pool.start("job", lambda: Receipt(requests=threading.get_ident()))

    assert pool.full
    assert [receipt.requests for _, receipt in pool.finished()] == [threading.get_ident()]
    assert not pool.full


def test_finished_does_not_wait_without_a_timeout():
    pool = DeliveryPool(1)
    go_on = threading.Event()
    pool.start("job", lambda: (go_on.wait(5), Receipt())[1])

    assert list(pool.finished()) == []
    go_on.set()
    assert len(finish(pool)) == 1
    pool.close()


@pytest.mark.parametrize("concurrency", [0, 2])
def test_an_exception_of_a_delivery_is_raised_by_finished(concurrency):
    pool = DeliveryPool(concurrency)

    pool.start("job", lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        finish(pool)
    assert len(pool) == 0
    pool.close()


def test_close_ends_the_threads():
    before = set(threading.enumerate())
    pool = DeliveryPool(2)
    for job in range(2):
        pool.start(job, Receipt)
    ours = set(threading.enumerate()) - before
    finish(pool)

    pool.close()

    for thread in ours:
        thread.join(5)
    assert not any(thread.is_alive() for thread in ours)
