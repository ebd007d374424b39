"""A process is told from another one under its id, and from one that has ended."""

import os
import subprocess
import sys

from app.stores import processes as module
from app.stores.processes import is_alive, this_worker


def test_a_process_is_itself_and_nobody_else():
    pid, start = this_worker()

    assert [is_alive(worker) for worker in ((pid, start), (pid, start - 1), (pid, start + 1))] == [True, False, False]


def test_one_that_has_ended_is_dead_before_anybody_has_asked_how():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        worker = (other.pid, module.started(other.pid))
        was_alive = is_alive(worker)
        other.stdin.close()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)

        assert (was_alive, is_alive(worker)) == (True, False)


def test_without_proc_an_id_in_use_is_taken_for_the_worker(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PROC", tmp_path)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()

    assert this_worker() == (os.getpid(), 0)
    assert [is_alive((pid, 0)) for pid in (os.getpid(), gone.pid)] == [True, False]
