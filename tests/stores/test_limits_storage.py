"""The windows as the limits library sees them."""

import time

import pytest
from limits import RateLimitItemPerMinute
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter

from app.limit_errors import LimiterUnavailable
from app.stores.limits_storage import LmdbStorage
from app.stores.windows import Windows

LIMIT = RateLimitItemPerMinute(7)


@pytest.fixture
def storage(embedded):
    return LmdbStorage("lmdb://", windows=Windows(embedded))


@pytest.fixture
def limiter(storage):
    return MovingWindowRateLimiter(storage)


def test_the_scheme_lmdb_leads_to_the_counters_of_that_folder(tmp_path):
    storage = storage_from_string(f"lmdb://{tmp_path}")

    assert isinstance(storage, LmdbStorage)
    assert (tmp_path / "counters.lmdb").exists()
    storage.windows._store.close()


def test_the_strategy_admits_exactly_n(limiter):
    assert sum(limiter.hit(LIMIT, "key") for _ in range(20)) == 7


def test_a_request_may_cost_several(limiter):
    assert [limiter.hit(LIMIT, "key", cost=cost) for cost in (5, 3, 2)] == [True, False, True]


def test_the_statistics_tell_what_remains_and_when_the_oldest_leaves(limiter, clock):
    limiter.hit(LIMIT, "key")
    clock.go(20)

    before_s = time.time()
    reset_time, remaining = limiter.get_window_stats(LIMIT, "key")

    assert remaining == 6
    assert before_s + 39 < reset_time < time.time() + 41


def test_a_limit_can_be_tested_without_a_hit(limiter):
    for _ in range(7):
        assert limiter.test(LIMIT, "key")
        limiter.hit(LIMIT, "key")

    assert not limiter.test(LIMIT, "key")


def test_a_cleared_key_begins_anew(limiter):
    for _ in range(7):
        limiter.hit(LIMIT, "key")

    limiter.clear(LIMIT, "key")

    assert limiter.hit(LIMIT, "key")


def test_another_strategy_is_told_what_this_storage_is_for(storage):
    with pytest.raises(NotImplementedError, match="moving-window"):
        FixedWindowRateLimiter(storage).hit(LIMIT, "key")
    with pytest.raises(NotImplementedError):
        storage.reset()


def test_a_storage_says_whether_it_can_count(storage, monkeypatch):
    def fail(*_):
        raise LimiterUnavailable("")

    assert storage.check()
    monkeypatch.setattr(storage.windows, "peek", fail)
    assert not storage.check()
