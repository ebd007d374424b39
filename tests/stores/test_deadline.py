"""A time limit counts turns of the loop, not the time that others take."""

import time

import gevent
import pytest
from gevent.event import Event
from redis.exceptions import TimeoutError

from app.stores.deadline import TICK_S, Deadline


def be_busy(seconds):
    """Keep the loop from turning, as a request does that computes."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_a_wait_without_an_answer_ends():
    with pytest.raises(TimeoutError, match=r"no answer within 0\.03 s"), Deadline(3):
        Event().wait()


def test_an_answer_that_comes_while_the_worker_is_busy_is_not_missed():
    answer = Event()

    def compute_and_answer():
        for _ in range(3):
            be_busy(10 * TICK_S)
            gevent.sleep(0)
        answer.set()

    with Deadline(8):
        gevent.spawn(compute_and_answer)
        assert answer.wait()


def test_an_answer_in_time_leaves_no_timer_behind():
    """It would end what waits next."""
    with Deadline(1):
        gevent.idle()

    with pytest.raises(TimeoutError, match=r"no answer within 0\.03 s"), Deadline(3):
        Event().wait()
