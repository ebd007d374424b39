"""A store that is away is asked once a second, and the log tells when it goes and when it comes."""

import logging

from app.stores.reach import Reach
from tests.stores.key_values import Clock
from tests.values import logged


def test_a_store_that_answers_is_asked_by_everybody():
    reach = Reach("store", Clock())

    assert [reach.may_ask() for _ in range(3)] == [True, True, True]
    assert reach.away_since_s is None


def test_a_store_that_is_away_is_asked_once_a_second():
    clock = Clock()
    reach = Reach("store", clock)
    reach.failed("refused")

    asked = []
    for _ in range(8):
        asked.append(reach.may_ask())
        clock.advance(0.25)

    assert asked == [False, False, False, False, True, False, False, False]


def test_a_store_that_is_back_is_asked_by_everybody():
    clock = Clock()
    reach = Reach("store", clock)
    reach.failed("refused")
    clock.advance(1)
    reach.may_ask()
    reach.answered()

    assert [reach.may_ask() for _ in range(3)] == [True, True, True]
    assert reach.away_since_s is None


def test_going_and_coming_are_one_line_each():
    reach = Reach("store", Clock())

    with logged("tollhouse", logging.WARNING) as records:
        reach.answered()
        reach.failed("connection refused")
        since_s = reach.away_since_s
        reach.failed("connection refused")
        assert reach.away_since_s == since_s
        reach.answered()
        reach.answered()

    assert [record.getMessage() for record in records] == [
        "the store cannot be reached: connection refused",
        "the store answers again",
    ]
