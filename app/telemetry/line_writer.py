"""Lines for a pipe or socket whose reader may be slow, or gone: whole, in order, and never waited for."""

import os
import stat
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary, finalize

from gevent import monkey
from gevent._hub_local import get_hub_if_exists

from app.telemetry.unwaited import poll_of, unwaited

# What waits for a reader; what comes beyond it is lost.
MOST_WAITING_OCTETS = 1 << 20
# How soon to look whether a pipe without a reader has got another one.
AGAIN_S = 1.0
WRITABLE = 2  # libev's EV_WRITE
# At the end of a process, for a reader that rests; there are two logs, and 1.5 s between the last word and SIGKILL
# (app/worker.py).
END_S = 0.5


class LineWriter:
    """Writes what a pipe or socket takes, keeps the rest for later, and drops and counts what is too much.

    Once lines are being lost they are until all that waited is written; then one line tells how many, so that the
    log has one gap and says where. What waits goes on with the next line, and by itself where gevent's loop runs.
    """

    def __init__(self, fd: int, tell_lost: Callable[[int], bytes]) -> None:
        self.fault: OSError | None = None
        """Why nobody reads any more."""
        self._write, self._own_fd, close = unwaited(fd)
        # Not at the process's end: that comes before logging's own, which has `finish` write what waits.
        finalize(self, close).atexit = False
        self._tell_lost = tell_lost
        self._waiting: deque[bytes] = deque()
        self._octets = self._lost = 0
        # Never waited for, either: who finds somebody writing, in a thread or below a signal's handler, queues up.
        self._turn = monkey.get_original("_thread", "allocate_lock")()
        self._watcher: Any = None
        begin_anew = weakref.WeakMethod(self._begin_anew)
        os.register_at_fork(after_in_child=lambda: (begin := begin_anew()) and begin())

    def put(self, line: bytes) -> None:
        """Write a line with its end now, or later, or count it as lost."""
        is_behind = (self._waiting or self._lost) and self._is_behind()
        if is_behind and (self._lost or self._octets + len(line) > MOST_WAITING_OCTETS):
            self._lost += 1
            return
        self._octets += len(line)
        self._waiting.append(line)
        if not is_behind:
            self.go_on()

    def go_on(self) -> bool:
        """Write what waits, as far as it can be; tells whether that was all."""
        while self._turn.acquire(False):
            try:
                is_all = self._write_waiting()
            finally:
                self._turn.release()
            if not is_all:
                self._come_again()
                return False
            if not self._waiting:
                return True
        return False

    def finish(self) -> None:
        """Write what waits, as long as its reader goes on reading; one that rests is waited for half a second."""
        poll = poll_of(self._own_fd)
        while (self._waiting or self._lost) and self._is_behind() and self.fault is None:
            if not poll.poll(END_S * 1000):
                return

    def _write_waiting(self) -> bool:
        waiting = self._waiting
        try:
            while waiting:
                line = waiting[0]
                written = self._write(line)
                self._octets -= written
                if written == len(line):
                    waiting.popleft()
                else:
                    waiting[0] = line[written:]
            if self._lost:
                self._write_lost()
        except BlockingIOError:
            return False
        except OSError as fault:
            self.fault = fault
            self._lost += len(waiting)
            waiting.clear()
            self._octets = 0
            return False
        return True

    def _write_lost(self) -> None:
        line = self._tell_lost(self._lost)
        rest = line[self._write(line) :]
        self._lost, self.fault = 0, None
        if rest:
            self._octets += len(rest)
            self._waiting.append(rest)

    def _begin_anew(self) -> None:
        """In a child: what the parent had waiting at the fork is the parent's to write."""
        self._waiting.clear()
        self._octets = self._lost = 0

    def _is_behind(self) -> bool:
        return not self.go_on()

    def _come_again(self) -> None:
        hub: Any = get_hub_if_exists()
        if self._watcher is None and hub is not None and hub.loop.default:  # not in a thread's hub, which never runs
            # A pipe without a reader polls writable all the time.
            wait = hub.loop.timer(AGAIN_S, ref=False) if self.fault else hub.loop.io(self._own_fd, WRITABLE, ref=False)
            self._watcher = wait
            wait.start(self._again)

    def _again(self) -> None:
        self._watcher.stop()
        self._watcher.close()
        self._watcher = None
        self._is_behind()


# Standard output and error may be one pipe: its lines take turns.
_SHARED: WeakValueDictionary[tuple[int, int], LineWriter] = WeakValueDictionary()


def line_writer(stream: Any, tell_lost: Callable[[int], bytes]) -> LineWriter | None:
    """Return the process's writer for the stream's pipe or socket; None where it is a file, a terminal or in memory."""
    try:
        fd = stream.fileno()
        there = os.fstat(fd)
    except (AttributeError, OSError, ValueError):
        return None
    if not (stat.S_ISFIFO(there.st_mode) or stat.S_ISSOCK(there.st_mode)):
        return None
    key = there.st_dev, there.st_ino
    writer = _SHARED.get(key)
    if writer is None:
        writer = _SHARED[key] = LineWriter(fd, tell_lost)
    return writer
