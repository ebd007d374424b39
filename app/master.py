"""The gunicorn master of this gateway: how workers are replaced, and how all of them end.

gunicorn's own master stops the old workers before the new ones can serve, counts workers that are ending as if
they served, hears no signal while the last stream of an old worker runs, ends itself when a new worker cannot
boot although old ones serve, and closes its port before a load balancer can have noticed.
"""

import logging
import mmap
import queue
import signal
import time
from collections.abc import Callable
from typing import Any

from gunicorn.errors import HaltServer

logger = logging.getLogger("tollhouse")

# How often the drain looks for signals and for workers that have died.
DRAIN_STEP_S = 0.2
# For so long a reload waits for the workers of the one before; some may never serve.
PATIENCE_S = 30.0
HASTY = (signal.SIGINT, signal.SIGQUIT)


class Flag:
    """One bit that a master sets and that all of its workers see at once; made before they are forked."""

    def __init__(self) -> None:
        self._octet = mmap.mmap(-1, 1)

    def set(self) -> None:
        self._octet[0] = 1

    def __bool__(self) -> bool:
        return self._octet[0] != 0


class _ReplacedError(Exception):
    """New workers have been forked; what gunicorn would do next is not wanted."""


class Master:
    """Takes over the parts of gunicorn's arbiter that the module names; made once, before the first fork."""

    def __init__(self, arbiter: Any, drain_s: float) -> None:
        self.stopping = Flag()
        """The service is about to end: no worker is ready any more, whichever is asked."""
        self._arbiter = arbiter
        self._drain_s = drain_s
        self._reload: Callable[[], None] = arbiter.reload
        self._stop: Callable[[bool], None] = arbiter.stop
        self._reap: Callable[[], None] = arbiter.reap_workers
        self._ending: set[int] = set()
        self._old: set[int] = set()
        self._is_replacing = False
        self._is_over = False
        self._asked_again_s: float | None = None
        arbiter.stop, arbiter.manage_workers, arbiter.reap_workers = self.stop, self.manage_workers, self.reap_workers

    def replace_workers(self) -> None:
        """Fork a new generation, the old one serving until the new one does; once those serve that are starting now.

        However often this is asked meanwhile, one more generation is forked, with the settings that are in force then.
        """
        if all(map(self._is_booted, self._serving())):
            self._fork_generation()
        elif self._asked_again_s is None:
            self._asked_again_s = time.monotonic()
            logger.info("workers are still starting; they are replaced once they serve")

    def manage_workers(self) -> None:
        """Have as many workers serving as are wanted; called at least once a second."""
        if self._is_replacing:
            raise _ReplacedError  # or gunicorn would wait, deaf, until the last old worker has ended
        new = self._new()
        for _ in range(self._arbiter.num_workers - len(new)):
            new.append(self._arbiter.spawn_worker())
        self._end_replaced()
        self._end(new[: max(0, len(new) - self._arbiter.num_workers)])
        if self._asked_again_s is not None and not self.stopping:
            self._replace_again(self._asked_again_s)

    def _replace_again(self, asked_s: float) -> None:
        if time.monotonic() - asked_s > PATIENCE_S:
            logger.error("workers did not start within %g s; newer settings are tried", PATIENCE_S)
            self._give_up_replacing()
        elif not all(map(self._is_booted, self._serving())):
            return
        self._fork_generation()

    def _end_replaced(self) -> None:
        """Tell the old workers to end once as many new ones serve as are wanted."""
        new = self._new()
        if self._old and len(new) >= self._arbiter.num_workers and all(map(self._is_booted, new)):
            self._end(self._old)
            logger.info("the new workers serve, %d old ones end", len(self._old))
            self._old = set()

    def _fork_generation(self) -> None:
        # Asked once a second only, they would pile up where generation follows generation.
        self._end_replaced()
        self._old = set(self._serving())
        self._asked_again_s = None
        self._is_replacing = True
        try:
            self._reload()
        except _ReplacedError:
            logger.info("new workers are starting, %d old ones end once these serve", len(self._old))
        finally:
            self._is_replacing = False

    def reap_workers(self) -> None:
        """Take leave of workers that have ended; one that could not boot ends the master only if none serves."""
        while True:
            try:
                return self._reap()
            except HaltServer as halt:
                if self._is_over:
                    continue  # the next that could not boot either: gunicorn would end with a traceback
                if not any(map(self._is_booted, self._serving())):
                    raise
                logger.error("a worker could not start (%s); those that serve go on", halt.reason)
                self._give_up_replacing()

    def stop(self, graceful: bool = True) -> None:
        """End all workers; a graceful end begins with a time in which readiness says 503 and all else is served."""
        if graceful and not self.stopping and any(map(self._is_booted, self._serving())):
            self.stopping.set()
            logger.info("not ready from now on; connections are taken for another %g s", self._drain_s)
            graceful = self._drain()
        self._is_over = True
        self._stop(graceful)

    def _drain(self) -> bool:
        """Wait for the load balancer; tells whether the end may still be a graceful one."""
        until_s = time.monotonic() + self._drain_s
        while self._arbiter.WORKERS and time.monotonic() < until_s:
            try:
                number = self._arbiter.SIG_QUEUE.get(timeout=DRAIN_STEP_S)
            except queue.Empty:
                number = None
            if number in HASTY:
                return False
            if number == signal.SIGTERM:  # asked again: the sender does not want to wait
                return True
            try:
                self.reap_workers()
            except HaltServer:  # nobody serves any more
                return True
            self.manage_workers()
        return True

    def _serving(self) -> list[int]:
        """Return the workers that have not been told to end, the oldest first."""
        workers = self._arbiter.WORKERS
        self._ending &= workers.keys()
        self._old &= workers.keys()
        return sorted(workers.keys() - self._ending, key=lambda pid: workers[pid].age)

    def _new(self) -> list[int]:
        """Return those that serve, or will, and are not to be replaced."""
        return [pid for pid in self._serving() if pid not in self._old]

    def _is_booted(self, pid: int) -> bool:
        """Tell whether a worker's main loop runs: its heartbeat is on the monotonic clock, its file's birth was not."""
        worker = self._arbiter.WORKERS.get(pid)
        return worker is not None and worker.tmp.last_update() <= time.monotonic() + 1

    def _end(self, pids: Any) -> None:
        for pid in list(pids):
            self._ending.add(pid)
            # One that boots has gunicorn's handlers of its master, and would not hear SIGTERM.
            self._arbiter.kill_worker(pid, signal.SIGTERM if self._is_booted(pid) else signal.SIGKILL)

    def _give_up_replacing(self) -> None:
        if self._old:
            self._end(self._new())
            self._old = set()
