"""One step ahead, one step behind: order, bounds and errors."""

from __future__ import annotations

import threading

import pytest

from napari_nnunet_em.engine.overlap import Behind, ahead


def test_the_next_job_is_under_way_while_a_result_is_used():
    begun = [threading.Event() for _ in range(4)]

    def job(i):
        begun[i].set()
        return i

    results = ahead((lambda i=i: job(i)) for i in range(4))
    for i in range(4):
        assert next(results) == i
        if i < 3:
            assert begun[i + 1].wait(10)
        assert not any(event.is_set() for event in begun[i + 2 :])
    assert next(results, None) is None


def test_what_a_job_raises_comes_in_its_turn():
    def fail():
        raise ValueError("torn page")

    results = ahead([lambda: 1, fail, lambda: 3])
    assert next(results) == 1
    with pytest.raises(ValueError, match="torn page"):
        next(results)


def test_no_jobs_no_results():
    assert list(ahead([])) == []


def test_jobs_are_done_in_order_and_at_most_two_wait():
    gate, seen = threading.Event(), []

    def job(i):
        gate.wait(10)
        seen.append(i)
        return i

    with Behind() as behind:
        assert behind.submit(lambda: job(0)) == []
        assert behind.submit(lambda: job(1)) == []
        third = threading.Thread(target=lambda: behind.submit(lambda: job(2)))
        third.start()
        third.join(0.05)
        assert third.is_alive()  # there is no room for it
        gate.set()
        third.join(10)
        assert not third.is_alive()
        rest = behind.finish()
    assert seen == [0, 1, 2]
    assert rest[-1] == 2
    assert behind.waited_seconds > 0


def test_after_an_error_nothing_more_is_done():
    done = []

    def fail():
        raise OSError("disk full")

    gate = threading.Event()
    with Behind() as behind:
        behind.submit(lambda: gate.wait(10) and fail())
        behind.submit(lambda: done.append(1))
        gate.set()
        with pytest.raises(OSError, match="disk full"):
            behind.finish()
    assert done == []


def test_leaving_waits_for_what_was_handed_over():
    done = []
    gate = threading.Event()
    with Behind() as behind:
        behind.submit(lambda: gate.wait(10) and done.append(1))
        behind.submit(lambda: done.append(2))
        threading.Timer(0.05, gate.set).start()
    assert done == [1, 2]
