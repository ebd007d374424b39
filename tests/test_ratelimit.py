"""Keys are kept to their limits, and answers tell where they stand."""

from contextlib import closing

import pytest
from flask import Flask

from app import ratelimit
from app.limit_errors import LimiterUnavailable, RateLimited, RequestsForbidden, TooManyParallel
from app.principal import Principal
from app.ratelimit import RateLimit, limit_fields
from app.stores.counters import Counters
from app.stores.embedded import EmbeddedStore
from app.stores.windows import Standing
from tests.stores.clock import Clock
from tests.values import a_route, an_exchange

ROUTE = a_route()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def counters(tmp_path, clock):
    with closing(EmbeddedStore(tmp_path, clock)) as store, closing(Counters(store)) as counters:
        yield counters


@pytest.fixture
def limits(counters):
    return RateLimit(counters)


def a_key(key_id="one", **limits):
    return Principal(key_id, digest=key_id * 4, **limits)


def sent(key):
    return an_exchange(principal=key)


def passed(limits, key, times):
    """Return how many of so many requests pass."""

    def passes():
        try:
            limits.admit(sent(key), ROUTE)
        except RateLimited:
            return False
        return True

    return sum(passes() for _ in range(times))


def answer(limits, key):
    """Return the fields that the room adds to an answer for the key, as a dict."""
    exchange = sent(key)
    limits.announce(exchange, set())
    return dict(exchange.answer_fields)


@pytest.mark.parametrize("limit", [1, 7, 60])
def test_exactly_n_of_a_burst_pass(limits, limit):
    assert passed(limits, a_key(rpm_limit=limit), 100) == limit


@pytest.mark.parametrize("key", [None, a_key(), a_key(is_master=True)], ids=["no key", "no limit", "master"])
def test_who_has_no_limit_passes_and_is_told_nothing(limits, key):
    assert passed(limits, key, 100) == 100
    assert answer(limits, key) == {}


def test_keys_have_limits_of_their_own(limits):
    assert [passed(limits, a_key(key_id, rpm_limit=7), 10) for key_id in ("one", "two")] == [7, 7]


def test_one_key_has_one_limit_over_all_routes(limits):
    key, other_route = a_key(rpm_limit=1), a_route("/other")
    limits.admit(sent(key), ROUTE)

    with pytest.raises(RateLimited):
        limits.admit(sent(key), other_route)


def test_a_changed_limit_holds_from_the_next_request_on(limits):
    assert [passed(limits, a_key(rpm_limit=limit), 20) for limit in (5, 9, 3)] == [5, 4, 0]


def test_who_is_refused_passes_after_the_seconds_told_and_not_a_second_before(limits, clock):
    key = a_key(rpm_limit=2)
    limits.admit(sent(key), ROUTE)
    clock.go(12.5)
    limits.admit(sent(key), ROUTE)

    with pytest.raises(RateLimited) as refusal:
        limits.admit(sent(key), ROUTE)

    ((name, seconds),) = refusal.value.fields()
    assert (refusal.value.status, refusal.value.code, name) == (429, "rate_limit_exceeded", "Retry-After")
    assert answer(limits, key)["RateLimit"] == f'"key-rpm";r=0;t={seconds}'
    clock.go(int(seconds) - 1)
    assert passed(limits, key, 1) == 0
    clock.go(1)
    assert passed(limits, key, 2) == 1


def test_an_answer_tells_where_the_key_stands_when_it_begins(limits, clock):
    key = a_key(rpm_limit=60)
    passed(limits, key, 12)
    clock.go(29.5)

    assert answer(limits, key) == {
        "RateLimit-Policy": '"key-rpm";q=60;w=60',
        "RateLimit": '"key-rpm";r=48;t=31',
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "48",
        "x-ratelimit-reset-requests": "31s",
    }
    clock.go(31)
    assert answer(limits, key)["RateLimit"] == '"key-rpm";r=60;t=0'


@pytest.mark.parametrize(
    ("reset_s", "told"), [(0.0, 0), (0.001, 1), (30.0, 30), (30.0000001, 31), (60.0, 60), (60.000000001, 60)]
)
def test_seconds_are_told_whole_and_never_too_few(reset_s, told):
    fields = dict(limit_fields(Standing(True, 7, 3, reset_s)))

    assert fields["RateLimit"] == f'"key-rpm";r=3;t={told}'
    assert fields["x-ratelimit-reset-requests"] == f"{told}s"


def test_nobody_is_told_to_wait_longer_than_the_window(limits):
    key, first, second = a_key(rpm_limit=1), sent(a_key(rpm_limit=1)), sent(a_key(rpm_limit=1))

    limits.admit(first, ROUTE)
    with pytest.raises(RateLimited) as refusal:
        limits.admit(second, ROUTE)

    for told in (dict(first.answer_fields), dict(second.answer_fields), answer(limits, key)):
        assert (told["RateLimit"], told["x-ratelimit-reset-requests"]) == ('"key-rpm";r=0;t=60', "60s")
    assert refusal.value.fields() == [("Retry-After", "60")]


def test_a_limit_of_0_is_a_403_that_asks_nobody_to_come_again(limits, counters):
    """AK-16. No store is asked, so that one that is away makes no difference."""
    counters.windows.acquire = counters.windows.peek = None
    exchange = sent(a_key(rpm_limit=0, max_parallel_requests=1))

    with pytest.raises(RequestsForbidden, match="its rpm_limit is 0") as refusal:
        limits.admit(exchange, ROUTE)
    limits.announce(exchange, set())

    assert (refusal.value.status, refusal.value.fields(), exchange.endings) == (403, [], [])
    assert exchange.answer_fields == [
        ("RateLimit-Policy", '"key-rpm";q=0;w=60'),
        ("RateLimit", '"key-rpm";r=0'),
        ("x-ratelimit-limit-requests", "0"),
        ("x-ratelimit-remaining-requests", "0"),
    ]


def test_so_many_may_be_under_way_until_one_is_over(limits):
    key = a_key(max_parallel_requests=2)
    first, second, third = (sent(key) for _ in range(3))
    limits.admit(first, ROUTE)
    limits.admit(second, ROUTE)

    with pytest.raises(TooManyParallel) as refusal:
        limits.admit(third, ROUTE)

    assert (refusal.value.status, refusal.value.fields()) == (429, [("Retry-After", "1")])
    assert third.endings == []
    (ending,) = first.endings
    ending()
    limits.admit(third, ROUTE)


def test_what_is_refused_for_those_under_way_does_not_count_in_the_minute(limits):
    key = a_key(max_parallel_requests=1, rpm_limit=7)
    limits.admit(sent(key), ROUTE)

    for _ in range(10):
        with pytest.raises(TooManyParallel):
            limits.admit(sent(key), ROUTE)

    assert answer(limits, key)["x-ratelimit-remaining-requests"] == "6"


def test_what_is_refused_for_the_minute_leaves_its_place_when_it_ends(limits):
    key = a_key(max_parallel_requests=1, rpm_limit=1)
    limits.admit(sent(a_key(rpm_limit=1)), ROUTE)

    for _ in range(3):
        exchange = sent(key)
        with pytest.raises(RateLimited):
            limits.admit(exchange, ROUTE)
        for ending in exchange.endings:
            ending()


def test_without_a_count_a_request_is_refused_and_an_answer_goes_out_bare(limits, counters, monkeypatch):
    def fail(*_):
        raise LimiterUnavailable("Requests cannot be counted now.")

    monkeypatch.setattr(counters.windows, "acquire", fail)
    monkeypatch.setattr(counters.windows, "peek", fail)

    with pytest.raises(LimiterUnavailable) as refusal:
        limits.admit(sent(a_key(rpm_limit=7)), ROUTE)

    assert (refusal.value.status, refusal.value.code) == (503, "limiter_unavailable")
    assert answer(limits, a_key(rpm_limit=7)) == {}


def test_flask_limiter_keeps_the_same_counts(counters):
    app = Flask("test")
    limits = ratelimit.init_app(app, counters)
    (limiter,) = app.extensions["limiter"]

    limits.admit(sent(a_key(rpm_limit=7)), ROUTE)

    assert limiter.storage.get_moving_window("one", 7, 60)[1] == 1
    assert type(limiter.limiter).__name__ == "MovingWindowRateLimiter"


def test_flask_limiter_takes_no_part_in_a_request(counters):
    app = Flask("test")

    ratelimit.init_app(app, counters)

    assert (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs) == ({}, {}, {})
