"""Idle connections to upstreams, kept for the next exchange with the same origin."""

import time
from collections import defaultdict, deque
from collections.abc import Callable

import gevent

from app.relay.connection import Connection, Origin
from app.relay.idle_limit import IdleLimit

# Less than the 60 s after which common load balancers close an idle connection.
IDLE_S = 55.0
IDLE_CONNECTIONS = 512
SWEEP_S = 5.0


class Pool:
    """The idle connections of one worker.

    A connection belongs to the process that dialled it; after a fork a pool starts empty, because two
    processes that read from one socket get each other's answers.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._idle: defaultdict[Origin, deque[Connection]] = defaultdict(deque)
        self._limits: defaultdict[Origin, IdleLimit] = defaultdict(lambda: IdleLimit(IDLE_S))
        self._is_sweeping = False

    def take(self, origin: Origin) -> Connection | None:
        """Return the connection used last that is still open, silent and not about to be closed, or None."""
        idle = self._idle.get(origin)
        if not idle:
            return None
        limit, now_s = self._limits[origin], self._clock()
        while idle:
            connection = idle.pop()
            if _is_fit(connection, limit, now_s):
                connection.is_reused = True
                return connection
        return None

    def give_back(self, origin: Origin, connection: Connection, idle_s: float = IDLE_S) -> None:
        """Keep a connection whose last answer was read to its end, for at most `idle_s`."""
        idle = self._idle[origin]
        if len(idle) >= IDLE_CONNECTIONS:
            idle.popleft().close()
        connection.idle_since_s = self._clock()
        connection.idle_until_s = connection.idle_since_s + min(idle_s, IDLE_S)
        idle.append(connection)
        if not self._is_sweeping:
            self._is_sweeping = True
            gevent.spawn_later(SWEEP_S, self._sweep)

    def forget(self) -> None:
        """Drop the connections without a word to the upstream: they are the parent process's."""
        self._idle.clear()
        self._is_sweeping = False

    def close(self) -> None:
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    def _sweep(self) -> None:
        """Close what is over its time or was closed by the upstream, so that no dead socket lingers."""
        now_s = self._clock()
        for origin, idle in list(self._idle.items()):
            limit = self._limits[origin]
            fit = deque(connection for connection in idle if _is_fit(connection, limit, now_s))
            if fit:
                self._idle[origin] = fit
            else:
                del self._idle[origin]
        self._is_sweeping = bool(self._idle)
        if self._is_sweeping:
            gevent.spawn_later(SWEEP_S, self._sweep)


def _is_fit(connection: Connection, limit: IdleLimit, now_s: float) -> bool:
    """Tell whether the connection may carry a request; closes it where not, and learns how it was found."""
    idle_s = now_s - connection.idle_since_s
    is_open = connection.is_silent()
    if is_open and idle_s < limit.seconds and now_s < connection.idle_until_s:
        return True
    limit.learn(idle_s, is_open=is_open)
    connection.close()
    return False
