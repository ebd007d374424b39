"""A time limit that a busy worker does not use up by itself."""

import gevent
from gevent.hub import get_hub
from redis.exceptions import TimeoutError

TICK_S = 0.01


class Deadline:
    """Raises redis.TimeoutError in a with statement that takes so many turns of the loop, TICK_S apart.

    A plain time-out ends a wait whose answer is there, when the worker was busy with other requests and looks
    at its clock first. Here each turn looks at the connections too, before the next tick can count.
    """

    def __init__(self, ticks: int) -> None:
        self._ticks = ticks

    def __enter__(self) -> None:
        self._left = self._ticks
        self._waiting = gevent.getcurrent()
        self._timer = get_hub().loop.timer(TICK_S, TICK_S)
        self._timer.start(self._tick)

    def __exit__(self, *_: object) -> None:
        self._timer.stop()
        self._timer.close()

    def _tick(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._waiting.throw(TimeoutError(f"no answer within {self._ticks * TICK_S} s"))
