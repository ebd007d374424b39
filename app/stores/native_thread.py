"""A native thread for calls that block, so that the event loop and all its other exchanges go on."""

from collections.abc import Callable
from typing import TypeVar

from gevent.event import AsyncResult
from gevent.lock import Semaphore
from gevent.threadpool import ThreadPool

T = TypeVar("T")

STEPS = 10


class ThreadBusy(Exception):
    """What was to be done was not begun in time."""


class ThreadStuck(Exception):
    """What was to be done was begun and did not end in time; it may end later."""


class NativeThread:
    """Does one piece of work at a time, in the order of asking; make it in the thread that asks.

    A greenlet that has given up before its turn leaves nothing behind that would be done later.
    """

    def __init__(self) -> None:
        self._pool = ThreadPool(1)
        self._turn = Semaphore(1)

    def run(self, work: Callable[[], T], timeout_s: float) -> T:
        """Return what `work` returns, or raise what it raises; raises ThreadBusy or ThreadStuck when it takes too long.

        The time is counted in steps: where this process gets no time itself each step takes longer, and what is
        waited for is not taken for dead.
        """
        results: list[T] = []
        steps, step_s = iter(range(STEPS)), timeout_s / STEPS
        if not any(self._turn.acquire(timeout=step_s) for _ in steps):
            raise ThreadBusy(f"no turn within {timeout_s:g} s")
        ended = self._pool.spawn(_fault_of, lambda: results.append(work()))
        # The turn ends with the work, whoever still waits for it.
        ended.rawlink(lambda _: self._turn.release())
        if not any(_is_ready(ended, step_s) for _ in steps):
            raise ThreadStuck(f"no answer within {timeout_s:g} s")
        fault = ended.get()
        if fault is not None:
            raise fault
        return results[0]

    def close(self) -> None:
        """End the thread, once it is idle."""
        self._pool.kill()


def _is_ready(ended: AsyncResult, timeout_s: float) -> bool:
    ended.wait(timeout_s)
    return bool(ended.ready())


def _fault_of(work: Callable[[], object]) -> Exception | None:
    """Do the work and return what it raises: gevent prints what leaves a thread, with all that it quotes."""
    try:
        work()
    except Exception as fault:
        return fault
    return None
