"""Moving windows: exactly n in any 60 s, whoever asks, whatever dies."""

import itertools
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.limit_errors import LimiterUnavailable
from app.stores import stamps
from app.stores.embedded import EmbeddedStore
from app.stores.windows import Windows
from tests.stores.clock import SECOND, Clock
from tests.values import PROPERTY

LIMITS = (1, 7, 60, 600)
# A process that waits for a lock for ever is what these tests must not wait for.
DEADLINE_S = 60.0


@pytest.fixture
def windows(embedded):
    return Windows(embedded)


def admitted(windows, name, limit, times):
    return sum(windows.acquire(name, limit).is_admitted for _ in range(times))


@pytest.mark.parametrize("limit", [*LIMITS, 6000])
def test_exactly_n_of_a_burst_pass(windows, limit):
    assert admitted(windows, "key", limit, 2 * limit + 10) == limit


def test_a_limit_of_0_refuses_everything(windows):
    standing = windows.acquire("key", 0)

    assert (standing.is_admitted, standing.remaining, standing.reset_s) == (False, 0, 60)


@pytest.mark.parametrize("limit", [1, 60, 300])
def test_the_same_moment_60_s_later_is_still_in_the_window(windows, clock, limit):
    admitted(windows, "key", limit, limit)
    clock.go(60)

    assert not windows.acquire("key", limit).is_admitted
    clock.now_ns += 1
    assert admitted(windows, "key", limit, 2 * limit) == limit


def test_a_window_moves_and_has_no_edge_to_burst_over(windows, clock):
    clock.go(59.9)
    before = admitted(windows, "key", 60, 100)
    clock.go(0.2)

    assert (before, admitted(windows, "key", 60, 100)) == (60, 0)


def test_refused_requests_do_not_count(windows, clock):
    admitted(windows, "key", 7, 7)
    clock.go(59)
    admitted(windows, "key", 7, 1000)
    clock.go(1.1)

    assert admitted(windows, "key", 7, 10) == 7


def test_keys_do_not_share_a_window(windows):
    first, second = admitted(windows, "one", 7, 10), admitted(windows, "one more", 7, 10)

    assert (first, second) == (7, 7)


def test_a_standing_tells_what_remains_and_when_the_oldest_leaves(windows, clock):
    windows.acquire("key", 3)
    clock.go(20)

    standing = windows.acquire("key", 3)

    assert (standing.limit, standing.remaining) == (3, 1)
    assert standing.reset_s == pytest.approx(40)


def test_who_waits_as_long_as_told_passes(windows, clock):
    for _ in range(3):
        windows.acquire("key", 3)
        clock.go(7.25)
    refused = windows.acquire("key", 3)

    clock.go(refused.reset_s)

    assert windows.acquire("key", 3).is_admitted


def test_a_lowered_limit_holds_at_once_and_tells_when_one_would_pass(windows, clock):
    for _ in range(10):
        windows.acquire("key", 10)
        clock.go(1)

    refused = windows.acquire("key", 4)

    assert not refused.is_admitted
    clock.go(refused.reset_s - 0.001)
    assert not windows.acquire("key", 4).is_admitted
    clock.go(0.002)
    assert windows.acquire("key", 4).is_admitted


def test_a_raised_limit_holds_at_once(windows):
    assert [admitted(windows, "key", limit, 100) for limit in (5, 9)] == [5, 4]


def test_several_at_once_pass_together_or_not_at_all(windows):
    standings = [windows.acquire("key", 10, amount=amount) for amount in (6, 5, 4, 11)]

    assert [standing.is_admitted for standing in standings] == [True, False, True, False]


def test_what_is_given_back_is_not_counted(windows, clock):
    taken = [windows.acquire("key", 300).stamp_ns for _ in range(300) if clock.go(0.1) is None]

    for stamp in taken[:50]:
        windows.give_back("key", stamp)

    assert windows.peek("key", 300).remaining == 50
    assert admitted(windows, "key", 300, 100) == 50


def test_to_peek_tells_the_standing_and_counts_nothing(windows, clock):
    nothing = windows.peek("key", 3)
    admitted(windows, "key", 3, 2)
    clock.go(20)

    one_left, lowered, none = windows.peek("key", 3), windows.peek("key", 1), windows.peek("key", 0)

    assert (nothing.remaining, nothing.reset_s) == (3, 0)
    assert (one_left.remaining, one_left.reset_s) == (1, pytest.approx(40))
    assert (lowered.is_admitted, lowered.remaining, lowered.reset_s) == (False, 0, pytest.approx(40))
    assert (none.is_admitted, none.remaining) == (False, 0)


def test_a_cleared_window_begins_anew(windows):
    admitted(windows, "key", 300, 300)

    windows.clear("key")

    assert admitted(windows, "key", 300, 400) == 300


def test_stamps_of_a_clock_that_started_again_are_forgotten(tmp_path):
    before = EmbeddedStore(tmp_path, Clock(10_000 * SECOND))
    admitted(Windows(before), "key", 300, 300)
    before.close()

    after = EmbeddedStore(tmp_path, Clock(5 * SECOND))

    assert admitted(Windows(after), "key", 300, 400) == 300
    after.close()


def test_windows_that_are_over_leave_the_store(windows, embedded, clock):
    for number in range(100):
        admitted(windows, f"old {number}", 300, 150)
    clock.go(61)

    for number in range(100):
        windows.acquire(f"new {number}", 1)

    assert embedded._file.env.stat()["entries"] == 100


def test_a_store_that_is_full_refuses_and_counts_nothing(windows, embedded, monkeypatch):
    embedded._file.env.set_mapsize(256 * 1024)

    with pytest.raises(LimiterUnavailable):
        admitted(windows, "key", 100_000, 100_000)

    counted = 100_000 - windows.peek("key", 100_000).remaining
    assert counted > 1000
    assert admitted(windows, "key", counted, 1) == 0


class Model:
    """All stamps in a list, counted one by one."""

    def __init__(self):
        self.stamps = []

    def live(self, now):
        return [stamp for stamp in self.stamps if now - stamp <= 60 * SECOND]

    def acquire(self, now, limit):
        live = self.live(now)
        if len(live) < limit:
            self.stamps.append(now)
            return True, limit - len(live) - 1, min([*live, now]) + 60 * SECOND + 1 - now
        over = sorted(live)[len(live) - limit] if limit else now - 1
        return False, 0, over + 60 * SECOND + 1 - now


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    clock = Clock()
    store = EmbeddedStore(tmp_path_factory.mktemp("windows"), clock)
    yield clock, Windows(store), (f"key {number}" for number in itertools.count())
    store.close()


@PROPERTY
@given(
    steps=st.lists(
        st.tuples(
            st.one_of(st.just(0), st.integers(0, 70 * SECOND), st.sampled_from([1, SECOND, 30 * SECOND, 60 * SECOND])),
            st.integers(0, 12),
            st.integers(1, 12),
            st.none() | st.integers(0, 100),
        ),
        max_size=40,
    ),
    page_stamps=st.integers(1, 4),
)
def test_the_windows_agree_with_counting_one_by_one(shared, steps, page_stamps):
    clock, windows, names = shared
    model, name = Model(), next(names)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stamps, "PAGE_STAMPS", page_stamps)
        for passed_ns, limit, times, given_back in steps:
            clock.now_ns += passed_ns
            for _ in range(times):
                standing = windows.acquire(name, limit)
                found = (standing.is_admitted, standing.remaining, round(standing.reset_s * SECOND))
                expected = model.acquire(clock.now_ns, limit)
                assert found == (*expected[:2], pytest.approx(expected[2], abs=10))
            if given_back is not None and model.live(clock.now_ns):
                stamp = model.live(clock.now_ns)[given_back % len(model.live(clock.now_ns))]
                windows.give_back(name, stamp)
                model.stamps.remove(stamp)


def run(*arguments):
    """Return what the program prints as JSON."""
    return json.loads(
        subprocess.run([sys.executable, "-m", *map(str, arguments)], check=True, capture_output=True).stdout
    )


@pytest.fixture(scope="module")
def bursts(tmp_path_factory):
    return run("tests.stores.takers", "burst", tmp_path_factory.mktemp("bursts"), 4, 2500, *LIMITS)


@pytest.mark.parametrize("limit", LIMITS)
def test_exactly_n_pass_over_four_processes_with_2500_requests_each(bursts, limit):
    assert bursts[str(limit)] == limit


@pytest.fixture(scope="module")
def deaths(tmp_path_factory):
    return run("tests.stores.takers", "deaths", tmp_path_factory.mktemp("deaths"), 4, 25, *LIMITS[1:])


@pytest.mark.parametrize("limit", LIMITS[1:])
def test_a_killed_process_neither_loses_nor_doubles_a_count(deaths, limit):
    rounds = deaths[str(limit)]

    assert len(rounds) == 25
    assert sum(killed for _, _, killed in rounds) > 25
    for counted, passed, killed in rounds:
        assert counted == limit
        assert limit - killed <= passed <= limit
