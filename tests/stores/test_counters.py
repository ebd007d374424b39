"""The door to all counters of a worker."""

from contextlib import closing

import pytest

from app.limit_errors import LimiterUnavailable
from app.stores.counters import Counters


@pytest.fixture
def counters(embedded):
    with closing(Counters(embedded)) as counters:
        yield counters


def test_a_machine_by_itself_is_never_degraded(counters):
    passed = [counters.acquire("key", 7).is_admitted for _ in range(10)]

    assert (sum(passed), counters.peek("key", 7).remaining, counters.is_degraded) == (7, 0, False)


def test_requests_under_way_are_not_those_of_the_minute(counters):
    counters.begin("key", 1)
    counters.acquire("key", 1)

    counters.end("key")

    assert (counters.begin("key", 1), counters.acquire("key", 1).is_admitted) == (True, False)


def test_with_a_server_it_counts_there_and_is_degraded_without(embedded, redis_server):
    with closing(Counters(embedded, redis_server.url)) as counters:
        counters.acquire("key", 7)
        counted, was_degraded = redis_server.connection.llen("TOLLHOUSE:key"), counters.is_degraded

        redis_server.kill()
        passed = [counters.acquire("key", 7).is_admitted for _ in range(10)]

        assert (counted, was_degraded) == (1, False)
        assert (sum(passed), counters.is_degraded) == (6, True)


def test_with_a_server_it_may_refuse_everything_without(embedded, redis_server):
    with closing(Counters(embedded, redis_server.url, is_refusing=True)) as counters:
        redis_server.kill()

        with pytest.raises(LimiterUnavailable):
            counters.acquire("key", 7)
