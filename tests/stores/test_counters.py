"""The door to all counters of a worker."""

import subprocess
import sys
import time
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

    assert (sum(passed), counters.peek("key", 7).remaining, counters.degraded_since_s()) == (7, 0, None)


def test_requests_under_way_are_not_those_of_the_minute(counters):
    counters.begin("key", 1)
    counters.acquire("key", 1)

    counters.end("key")

    assert (counters.begin("key", 1), counters.acquire("key", 1).is_admitted) == (True, False)


def test_with_a_server_it_counts_there_and_is_degraded_without(embedded, redis_server):
    with closing(Counters(embedded, redis_server.url)) as counters:
        counters.acquire("key", 7)
        counted, was_degraded = redis_server.connection.llen("TOLLHOUSE:key"), counters.degraded_since_s()

        redis_server.kill()
        passed = [counters.acquire("key", 7).is_admitted for _ in range(10)]

        assert (counted, was_degraded) == (1, None)
        assert (sum(passed), counters.degraded_since_s()) == (6, pytest.approx(time.time(), abs=60))


def test_with_a_server_it_may_refuse_everything_without(embedded, redis_server):
    with closing(Counters(embedded, redis_server.url, is_refusing=True)) as counters:
        redis_server.kill()

        with pytest.raises(LimiterUnavailable):
            counters.acquire("key", 7)


def test_what_one_worker_finds_is_told_by_all(embedded, redis_server):
    """A worker that has not asked since does not know better."""
    with (
        closing(Counters(embedded, redis_server.url)) as first,
        closing(Counters(embedded, redis_server.url)) as second,
    ):
        before = second.degraded_since_s()
        redis_server.kill()
        first.acquire("key", 7)

        assert (before, second.degraded_since_s()) == (None, first.degraded_since_s())
        assert second.degraded_since_s() is not None


def test_who_refuses_without_the_server_tells_no_standing(embedded, redis_server):
    """What was not counted is not told: the 503 has no RateLimit fields."""
    with closing(Counters(embedded, redis_server.url, is_refusing=True)) as counters:
        counters.acquire("key", 7)
        redis_server.kill()
        for ask in (counters.acquire, counters.peek):
            with pytest.raises(LimiterUnavailable):
                ask("key", 7)


def test_a_machine_by_itself_loads_no_redis(tmp_path):
    program = "import sys, app.keyed; print([name for name in sys.modules if name.split('.')[0] == 'redis'])"

    assert subprocess.check_output([sys.executable, "-c", program]) == b"[]\n"
