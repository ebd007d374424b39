"""Moving windows in a real server: the promises of the embedded ones, over machines."""

import json
import subprocess
import sys

import pytest
from limits.storage import RedisStorage

from app.stores.redis_windows import RedisWindows, redis_url

LIMITS = (1, 7, 60, 600)
DEADLINE_S = 60.0
MOMENT_S = 9.0


@pytest.fixture
def windows(redis_server):
    windows = RedisWindows(redis_server.url, wait_s=DEADLINE_S)
    yield windows
    windows.close()


def admitted(windows, name, limit, times):
    return sum(windows.acquire(name, limit).is_admitted for _ in range(times))


def now(redis_server):
    seconds, microseconds = redis_server.connection.time()
    return seconds + microseconds / 1e6


def is_about(seconds, told_s):
    """Tell whether so much was left a moment ago. On a busy machine moments are long."""
    return seconds - MOMENT_S < told_s <= seconds


def admitted_before(redis_server, *ages_s):
    """Put stamps of so long ago into the window, as limits writes them."""
    redis_server.connection.lpush("TOLLHOUSE:key", *(f"{now(redis_server) - age_s:.6f}" for age_s in ages_s))


@pytest.mark.parametrize("limit", LIMITS)
def test_exactly_n_of_a_burst_pass(windows, limit):
    assert admitted(windows, "key", limit, limit + 20) == limit


def test_a_limit_of_0_refuses_everything(windows):
    standing = windows.acquire("key", 0)

    assert (standing.is_admitted, standing.remaining, standing.reset_s) == (False, 0, 60)


def test_what_is_older_than_60_s_does_not_count(windows, redis_server):
    admitted_before(redis_server, 70, 60.1, 50, 10)

    assert admitted(windows, "key", 5, 10) == 3


def test_a_clock_that_is_set_back_shuts_nobody_out_for_longer_than_a_window(windows, redis_server):
    """G12: what was admitted before goes on to count, and leaves 60 s after the clock's new time at the latest."""
    admitted_before(redis_server, -3540, -3580, -3600)

    standings = [windows.acquire("key", 4) for _ in range(2)]

    assert [standing.is_admitted for standing in standings] == [True, False]
    assert is_about(60, standings[1].reset_s)
    assert all(float(at) <= now(redis_server) for at in redis_server.connection.lrange("TOLLHOUSE:key", 0, -1))


def test_a_standing_tells_what_remains_and_when_the_oldest_leaves(windows, redis_server):
    admitted_before(redis_server, 61, 45, 10)

    standing = windows.acquire("key", 7)

    assert (standing.is_admitted, standing.limit, standing.remaining) == (True, 7, 4)
    assert is_about(15, standing.reset_s)


def test_who_is_refused_learns_when_one_would_pass_under_a_lowered_limit(windows, redis_server):
    admitted_before(redis_server, 50, 40, 30, 20, 10)

    standing = windows.acquire("key", 2)

    assert (standing.is_admitted, standing.remaining) == (False, 0)
    assert is_about(40, standing.reset_s)


def test_refused_requests_do_not_count(windows, redis_server):
    admitted(windows, "key", 7, 100)

    assert redis_server.connection.llen("TOLLHOUSE:key") == 7


def test_several_at_once_pass_together_or_not_at_all(windows):
    standings = [windows.acquire("key", 10, amount=amount) for amount in (6, 5, 4, 11)]

    assert [standing.is_admitted for standing in standings] == [True, False, True, False]


def test_the_window_is_one_that_limits_can_read(windows, redis_server):
    admitted(windows, "key", 60, 5)

    theirs = RedisStorage(redis_server.url, key_prefix="TOLLHOUSE")

    assert theirs.get_moving_window("key", 60, 60)[1] == 5
    theirs.storage.close()


def test_the_clock_is_that_of_the_server(windows, redis_server, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 0.0)

    windows.acquire("key", 1)

    assert float(redis_server.connection.lindex("TOLLHOUSE:key", 0)) == pytest.approx(now(redis_server), abs=MOMENT_S)


def test_a_window_that_is_over_leaves_the_server(windows, redis_server):
    windows.acquire("key", 1)

    stamp_s = float(redis_server.connection.lindex("TOLLHOUSE:key", 0))
    # From stamp to end, both as the server has them: however long ago that was.
    assert 60 <= redis_server.connection.pexpiretime("TOLLHOUSE:key") / 1000 - stamp_s <= 61


@pytest.mark.parametrize(
    ("url", "for_redis_py"),
    [
        ("redis://:secret@cache:6379/1", "redis://:secret@cache:6379/1"),
        ("rediss://cache", "rediss://cache"),
        ("valkey://cache", "redis://cache"),
        ("valkeys://cache", "rediss://cache"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
    ],
)
def test_every_way_to_name_a_server_is_understood(url, for_redis_py):
    assert redis_url(url) == for_redis_py


def test_a_server_behind_a_unix_socket_counts(redis_server, tmp_path):
    redis_server.kill()
    redis_server.start("--unixsocket", "redis.sock", "--requirepass", "secret")

    windows = RedisWindows(f"unix://:secret@{tmp_path}/redis.sock")

    assert admitted(windows, "key", 3, 5) == 3
    windows.close()


def test_exactly_n_pass_over_four_processes(redis_server):
    program = [sys.executable, "-m", "tests.stores.takers", "burst", redis_server.url, "4", "500", *map(str, LIMITS)]

    found = json.loads(subprocess.run(program, check=True, capture_output=True, timeout=DEADLINE_S).stdout)

    assert found == {str(limit): limit for limit in LIMITS}


def test_a_killed_process_neither_loses_nor_doubles_a_count(redis_server):
    program = [sys.executable, "-m", "tests.stores.takers", "deaths", redis_server.url, "3", "3", "60", "600"]

    found = json.loads(subprocess.run(program, check=True, capture_output=True, timeout=DEADLINE_S).stdout)

    for limit, rounds in found.items():
        for counted, passed, killed in rounds:
            assert counted == int(limit)
            assert counted - killed <= passed <= counted
