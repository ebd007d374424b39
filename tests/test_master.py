"""How workers are replaced and ended, told to an arbiter that forks nobody."""

import itertools
import queue
import signal
import time
from types import SimpleNamespace

import pytest
from gunicorn.errors import HaltServer

from app.master import Master

UNBOOTED = 2_000_000_000.0  # a file's birth is on another clock than a heartbeat


class Arbiter:
    """What gunicorn's does, taken down."""

    def __init__(self, num_workers=2):
        self.num_workers = num_workers
        self.WORKERS = {}
        self.SIG_QUEUE = queue.SimpleQueue()
        self.killed = []
        self.stops = []
        self.halts = []
        self.waited = False
        self.pids = itertools.count(100)

    def spawn_worker(self):
        pid = next(self.pids)
        self.WORKERS[pid] = SimpleNamespace(age=pid, tmp=SimpleNamespace(last_update=lambda: UNBOOTED))
        return pid

    def reload(self):
        for _ in range(self.num_workers):
            self.spawn_worker()
        self.manage_workers()
        self.waited = True

    def stop(self, graceful=True):
        self.stops.append(graceful)

    def kill_worker(self, pid, number):
        self.killed.append((pid, number))

    def reap_workers(self):
        if self.halts:
            pid = self.halts.pop()
            del self.WORKERS[pid]
            raise HaltServer("Worker failed to boot.", 3)

    def manage_workers(self):
        raise AssertionError("gunicorn's own way")


@pytest.fixture
def arbiter():
    return Arbiter()


@pytest.fixture
def master(arbiter):
    return Master(arbiter, drain_s=0.0)


def boot(arbiter, *pids):
    for pid in pids:
        arbiter.WORKERS[pid].tmp.last_update = time.monotonic


def started(arbiter):
    arbiter.manage_workers()
    boot(arbiter, *arbiter.WORKERS)
    return set(arbiter.WORKERS)


def test_as_many_workers_as_wanted_are_forked(master, arbiter):
    arbiter.manage_workers()

    assert len(arbiter.WORKERS) == 2
    assert arbiter.killed == []


def test_old_workers_serve_until_all_new_ones_do(master, arbiter):
    old = started(arbiter)

    master.replace_workers()
    new = set(arbiter.WORKERS) - old
    boot(arbiter, min(new))
    arbiter.manage_workers()
    killed_before = list(arbiter.killed)
    boot(arbiter, max(new))
    arbiter.manage_workers()
    arbiter.manage_workers()

    assert (len(new), killed_before) == (2, [])
    assert arbiter.killed == [(pid, signal.SIGTERM) for pid in sorted(old)]


def test_the_master_does_not_wait_for_old_workers(master, arbiter):
    started(arbiter)

    master.replace_workers()

    assert not arbiter.waited


def test_a_worker_that_is_ending_does_not_count(master, arbiter):
    """A new one that dies is replaced, although old ones still have streams to finish."""
    old = started(arbiter)
    master.replace_workers()
    new = set(arbiter.WORKERS) - old
    boot(arbiter, *new)
    arbiter.manage_workers()

    del arbiter.WORKERS[min(new)]
    arbiter.manage_workers()

    assert len(set(arbiter.WORKERS) - old) == 2


def test_a_new_generation_that_cannot_start_is_given_up(master, arbiter):
    """DR-05: the old version goes on."""
    old = started(arbiter)
    master.replace_workers()
    failed, booting = sorted(set(arbiter.WORKERS) - old)
    arbiter.halts = [failed]

    arbiter.reap_workers()
    del arbiter.WORKERS[booting]
    arbiter.manage_workers()

    assert arbiter.killed == [(booting, signal.SIGKILL)]
    assert set(arbiter.WORKERS) == old


def test_a_gateway_that_cannot_start_at_all_ends(master, arbiter):
    arbiter.manage_workers()
    arbiter.halts = [min(arbiter.WORKERS)]

    with pytest.raises(HaltServer):
        arbiter.reap_workers()


def test_all_workers_that_cannot_start_are_taken_leave_of(master, arbiter):
    arbiter.manage_workers()
    arbiter.halts = sorted(arbiter.WORKERS)

    with pytest.raises(HaltServer):
        arbiter.reap_workers()
    arbiter.stop()
    arbiter.reap_workers()

    assert arbiter.WORKERS == {}


def test_reloads_in_a_row_fork_one_more_generation_in_all(master, arbiter):
    """Else ten of them in a second would have ten generations at work at once."""
    old = started(arbiter)
    for _ in range(10):
        master.replace_workers()
        arbiter.manage_workers()
    first = set(arbiter.WORKERS) - old
    boot(arbiter, *first)
    arbiter.manage_workers()
    second = set(arbiter.WORKERS) - old - first
    boot(arbiter, *second)
    arbiter.manage_workers()
    arbiter.manage_workers()

    assert (len(first), len(second)) == (2, 2)
    assert arbiter.killed == [(pid, signal.SIGTERM) for pid in (*sorted(old), *sorted(first))]
    assert set(arbiter.WORKERS) == old | first | second


def test_a_reload_while_the_first_workers_start_waits_for_them(master, arbiter):
    arbiter.manage_workers()

    master.replace_workers()
    before = len(arbiter.WORKERS)
    boot(arbiter, *arbiter.WORKERS)
    arbiter.manage_workers()

    assert (before, len(arbiter.WORKERS), arbiter.killed) == (2, 4, [])


def test_newer_settings_are_tried_after_a_generation_that_cannot_start(master, arbiter):
    old = started(arbiter)
    master.replace_workers()
    failed, booting = sorted(set(arbiter.WORKERS) - old)
    master.replace_workers()
    arbiter.halts = [failed]

    arbiter.reap_workers()
    arbiter.manage_workers()

    assert arbiter.killed == [(booting, signal.SIGKILL)]
    assert len(set(arbiter.WORKERS) - old - {booting}) == 2


def test_newer_settings_are_tried_when_workers_never_serve(master, arbiter, monkeypatch):
    old = started(arbiter)
    master.replace_workers()
    stuck = set(arbiter.WORKERS) - old
    master.replace_workers()
    monkeypatch.setattr("app.master.PATIENCE_S", -1.0)

    arbiter.manage_workers()

    assert arbiter.killed == [(pid, signal.SIGKILL) for pid in sorted(stuck)]
    assert len(set(arbiter.WORKERS) - old - stuck) == 2


def test_no_generation_is_forked_once_the_end_is_told(master, arbiter):
    old = started(arbiter)
    master.replace_workers()
    master.replace_workers()
    master.stopping.set()
    boot(arbiter, *arbiter.WORKERS)

    arbiter.manage_workers()

    assert len(arbiter.WORKERS) == 4
    assert arbiter.killed == [(pid, signal.SIGTERM) for pid in sorted(old)]


def test_a_surplus_worker_that_cannot_hear_yet_is_killed(master, arbiter):
    arbiter.manage_workers()
    arbiter.num_workers = 1

    arbiter.manage_workers()

    assert arbiter.killed == [(min(arbiter.WORKERS), signal.SIGKILL)]


def test_fewer_workers_wanted_end_the_oldest(master, arbiter):
    (oldest, *_) = sorted(started(arbiter))
    arbiter.num_workers = 1

    arbiter.manage_workers()

    assert arbiter.killed == [(oldest, signal.SIGTERM)]


def test_the_end_is_told_before_it_begins(master, arbiter):
    started(arbiter)

    arbiter.stop()

    assert bool(master.stopping)
    assert arbiter.stops == [True]


@pytest.mark.parametrize(
    ("number", "is_graceful"), [(signal.SIGTERM, True), (signal.SIGINT, False), (signal.SIGQUIT, False)]
)
def test_a_second_signal_ends_the_drain(arbiter, number, is_graceful):
    Master(arbiter, drain_s=3600.0)
    started(arbiter)
    arbiter.SIG_QUEUE.put(number)

    arbiter.stop()

    assert arbiter.stops == [is_graceful]


def test_workers_that_die_in_the_drain_are_replaced(arbiter):
    Master(arbiter, drain_s=3600.0)
    started(arbiter)
    dead = [min(arbiter.WORKERS)]

    def reap():
        arbiter.WORKERS.pop(dead.pop()) if dead else arbiter.SIG_QUEUE.put(signal.SIGTERM)

    arbiter.reap_workers.__self__._reap = reap
    arbiter.SIG_QUEUE.put(signal.SIGCHLD)

    arbiter.stop()

    assert len(arbiter.WORKERS) == 2


def test_a_gateway_that_never_served_has_no_drain(arbiter):
    """Else it would fork, while it ends, more workers that cannot start."""
    master = Master(arbiter, drain_s=3600.0)
    arbiter.manage_workers()

    arbiter.stop()

    assert (arbiter.stops, bool(master.stopping), len(arbiter.WORKERS)) == ([True], False, 2)


def test_a_hasty_end_has_no_drain(arbiter):
    master = Master(arbiter, drain_s=3600.0)
    started(arbiter)

    arbiter.stop(False)

    assert (arbiter.stops, bool(master.stopping)) == ([False], False)
