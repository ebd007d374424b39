"""The time for which an idle connection is trusted follows from how others were found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.relay.idle_limit import CREEP, GROWTH, LEAST_S, MARGIN, IdleLimit
from tests.values import PROPERTY

seconds = st.floats(0.0, 100.0)


def looked_at(limit, closes_after_s, idle_s):
    """Look at a connection of an upstream that closes after so long, as the pool does; tell whether it is used."""
    is_open = idle_s < closes_after_s
    if is_open and idle_s < limit.seconds:
        return True
    limit.learn(idle_s, is_open=is_open)
    return False


def test_one_found_closed_sets_a_limit_below_it():
    limit = IdleLimit(55.0)

    limit.learn(1.2, is_open=False)

    assert limit.seconds == pytest.approx(1.08)


def test_one_found_closed_later_says_nothing_new():
    limit = IdleLimit(55.0)
    limit.learn(1.2, is_open=False)

    limit.learn(4.0, is_open=False)

    assert limit.seconds == pytest.approx(1.08)


def test_one_found_open_lets_the_limit_grow_a_little():
    limit = IdleLimit(1.0)

    limit.learn(30.0, is_open=True)

    assert limit.seconds == GROWTH


def test_one_found_open_just_behind_the_limit_lets_it_creep():
    limit = IdleLimit(1.0)

    limit.learn(1.02 / MARGIN, is_open=True)
    grown = limit.seconds
    limit.learn(1.05, is_open=True)

    assert (grown, limit.seconds) == (pytest.approx(1.02), pytest.approx(1.02 * CREEP))


def test_one_found_open_within_the_limit_says_nothing_new():
    """It was closed for another reason: the upstream has told its limit."""
    limit = IdleLimit(5.0)

    limit.learn(4.9, is_open=True)

    assert limit.seconds == 5.0


@given(st.floats(LEAST_S, 60.0), st.lists(seconds, max_size=60))
@PROPERTY
def test_a_steady_limit_that_was_met_is_kept_off(closes_after_s, looks):
    limit = IdleLimit(55.0)
    nearest_s, found_open = 100.0, 0

    for idle_s in looks:
        if idle_s >= closes_after_s:
            nearest_s = min(idle_s, nearest_s)
        elif idle_s >= limit.seconds:
            found_open += 1
        looked_at(limit, closes_after_s, idle_s)

        assert limit.seconds <= max(MARGIN * nearest_s, LEAST_S) * CREEP**found_open * 1.000001


@given(st.floats(LEAST_S, 60.0), st.lists(seconds, max_size=60))
@PROPERTY
def test_a_restart_does_not_forbid_reuse_for_ever(gap_s, looks):
    limit = IdleLimit(55.0)
    for idle_s in looks:
        limit.learn(idle_s, is_open=False)
    limit.learn(0.0, is_open=False)

    used = [looked_at(limit, 2 * gap_s, gap_s) for _ in range(200)]

    assert used[-1]
