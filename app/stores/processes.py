"""Which process this is, and whether another one still runs."""

import os
from pathlib import Path

# A process for certain: its id and when it started, since ids are used again.
Worker = tuple[int, int]

PROC = Path("/proc")


def this_worker() -> Worker:
    """Return the process that asks; not to be kept over a fork."""
    return os.getpid(), started(os.getpid())


def is_alive(worker: Worker) -> bool:
    """Tell whether that process, and not another one under its id, still runs."""
    pid, start = worker
    return started(pid) == start


def started(pid: int) -> int:
    """Return when a process started, in ticks since the boot; -1 when it has ended, 0 where no /proc tells."""
    if not (PROC / "self").exists():
        return 0 if _has_id(pid) else -1
    try:
        stat = (PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return -1
    # proc_pid_stat(5): after the name in parentheses come the state, field 3, and the start, field 22.
    state, *fields = stat.rpartition(b")")[2].split()
    return -1 if state in (b"Z", b"X") else int(fields[18])


def _has_id(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
