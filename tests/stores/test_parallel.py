"""Requests under way: counted over workers, and not for those that were killed."""

import os
import subprocess
import sys

import lmdb
import pytest

from app.stores import parallel as module
from app.stores.parallel import Parallel
from app.stores.processes import this_worker
from tests.values import logged

BEGIN_THREE = """
import sys
from pathlib import Path
from app.stores.embedded import EmbeddedStore
from app.stores.parallel import Parallel
parallel = Parallel(EmbeddedStore(Path(sys.argv[1])))
print([parallel.begin("key", 3) for _ in range(4)], flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def parallel(embedded):
    return Parallel(embedded)


@pytest.fixture
def other(tmp_path, parallel):
    """Another worker, which has three requests of the key under way."""
    worker = subprocess.Popen(
        [sys.executable, "-c", BEGIN_THREE, str(tmp_path / "var")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert worker.stdout.readline() == b"[True, True, True, False]\n"
    yield worker
    worker.kill()
    worker.communicate()


def test_so_many_may_be_under_way_and_no_more(parallel):
    assert [parallel.begin("key", 2) for _ in range(4)] == [True, True, False, False]


def test_one_that_ends_makes_room_for_one(parallel):
    for _ in range(2):
        parallel.begin("key", 2)

    parallel.end("key")

    assert [parallel.begin("key", 2) for _ in range(2)] == [True, False]


def test_keys_are_counted_apart(parallel):
    assert [parallel.begin(name, 1) for name in ("one", "two", "one")] == [True, True, False]


def test_a_limit_of_0_lets_none_start(parallel):
    assert not parallel.begin("key", 0)


def test_a_changed_limit_holds_at_once(parallel):
    begun = [parallel.begin("key", limit) for limit in (1, 1, 3, 3, 3, 2)]

    assert begun == [True, False, True, True, False, False]


def test_a_count_of_0_leaves_no_record(parallel, embedded):
    parallel.begin("key", 2)
    parallel.end("key")
    parallel.end("key")

    assert embedded._file.env.stat()["entries"] == 0
    assert parallel.count("key") == 0


def test_an_end_that_cannot_be_counted_is_logged_and_harms_nobody(parallel, monkeypatch):
    def fail(*_):
        raise lmdb.MapFullError("put")

    parallel.begin("key", 1)
    monkeypatch.setattr(module, "_save", fail)

    with logged("tollhouse") as records:
        parallel.end("key")

    assert len(records) == 1
    assert parallel.count("key") == 1


def test_workers_are_counted_together(parallel, other):
    assert not parallel.begin("key", 3)
    assert parallel.begin("key", 4)
    assert parallel.count("key") == 4


def test_the_share_of_a_killed_worker_vanishes_at_once(parallel, other):
    other.kill()
    other.wait()

    assert [parallel.begin("key", 3) for _ in range(4)] == [True, True, True, False]


def test_a_killed_worker_is_dead_before_its_master_has_seen_it(parallel, other):
    other.kill()
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)

    assert parallel.begin("key", 3)


def test_a_worker_that_got_the_id_of_a_dead_one_is_another(embedded):
    pid, start = this_worker()
    before = Parallel(embedded, (pid, start - 1), lambda _: True)
    for _ in range(3):
        before.begin("key", 3)

    after = Parallel(embedded)

    assert [after.begin("key", 3) for _ in range(4)] == [True, True, True, False]


def test_living_workers_keep_their_share_when_a_dead_one_loses_its_own(embedded):
    dead, living, third = (Parallel(embedded, (pid, 0), lambda worker: worker != (1, 0)) for pid in (1, 2, 3))
    begun = [worker.begin("key", 4) for worker in (dead, dead, living, third)]

    begun += [third.begin("key", 4) for _ in range(3)]

    assert begun == [True] * 6 + [False]
