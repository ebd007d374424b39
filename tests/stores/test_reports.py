"""What one worker finds is known to all, told once, and forgotten with those who said so."""

import lmdb
import pytest

from app.stores.embedded import EmbeddedStore
from app.stores.reports import Reports

MASTER = (1, 7)


class Gateway:
    """Workers of one machine, some of which are dead."""

    def __init__(self, store):
        self.store, self.dead, self.now_s = store, set(), 100.0

    def worker(self, pid, master=MASTER):
        return Reports(self.store, (pid, 0), master, lambda worker: worker not in self.dead, lambda: self.now_s)


@pytest.fixture
def gateway(embedded):
    return Gateway(embedded)


def test_what_nobody_reports_is_not_so(gateway):
    assert gateway.worker(1).since_s("away") is None


def test_what_one_finds_all_know_since_when(gateway):
    gateway.worker(1).report("away", True)
    gateway.now_s = 200.0
    gateway.worker(2).report("away", True)
    gateway.worker(1).report("away", True)

    assert gateway.worker(3).since_s("away") == 100.0
    assert gateway.worker(3).since_s("something else") is None


def test_it_is_news_once_for_all_workers_and_over_when_the_last_says_so(gateway):
    first, second = gateway.worker(1), gateway.worker(2)

    news = [worker.report("away", is_so) for worker, is_so in (
        (first, False), (first, True), (second, True), (first, False), (first, True), (second, False), (first, False)
    )]  # fmt: skip

    assert news == [False, True, False, False, False, False, True]
    assert first.since_s("away") is None


def test_what_the_dead_said_is_not_so_any_more(gateway):
    gateway.worker(1).report("away", True)
    gateway.dead.add((1, 0))

    assert gateway.worker(2).since_s("away") is None


def test_a_worker_in_the_place_of_a_dead_one_tells_nothing_twice(gateway):
    gateway.worker(1).report("away", True)
    gateway.dead.add((1, 0))

    assert [gateway.worker(2).report("away", is_so) for is_so in (True, False)] == [False, True]


def test_a_worker_in_the_place_of_a_dead_one_tells_that_it_is_over(gateway):
    gateway.worker(1).report("away", True)
    gateway.dead.add((1, 0))

    assert [gateway.worker(2).report("away", is_so) for is_so in (False, True)] == [True, True]


def test_what_an_earlier_run_or_another_gateway_reported_is_not_so_here(gateway):
    gateway.worker(1, master=(1, 6)).report("away", True)
    now = gateway.worker(2)

    assert (now.since_s("away"), now.report("away", False), now.report("away", True)) == (None, False, True)


def test_a_store_that_fails_makes_everything_news(gateway, monkeypatch):
    def fail(_self):
        raise lmdb.MapFullError("put")

    monkeypatch.setattr(EmbeddedStore, "writing", fail)

    assert [gateway.worker(1).report("away", True) for _ in range(2)] == [True, True]
