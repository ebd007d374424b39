"""The CPU, memory and end of a process tree."""

import os
import sys

from bench.processes import Tree, end, launch, running

BURN = "import os, time\nos.fork()\nwhile time.process_time() < {}: pass\nprint('done', flush=True)\ntime.sleep(600)"


def test_the_cpu_of_children_is_counted(tmp_path):
    log = tmp_path / "log"
    with running([sys.executable, "-c", BURN.format(0.3)], {}, log, tmp_path) as process:
        while log.read_text().count("done") < 2:
            os.sched_yield()
        tree = Tree(process.pid)
        assert len(tree.pids()) == 2
        # 0.3 s each, of which process_time() sees all but the start of the interpreter.
        assert tree.cpu_s() >= 0.55
        assert tree.rss_kib() >= tree.pss_kib() > 0


def test_what_does_not_end_by_itself_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.processes.STOP_DEADLINE_S", 0.01)
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('on', flush=True)\nsignal.pause()"
    process = launch([sys.executable, "-c", deaf], {}, tmp_path / "log", tmp_path)
    while "on" not in (tmp_path / "log").read_text():
        os.sched_yield()

    end(process)

    assert process.returncode == -9
