"""Idle connections to upstreams, kept for the next exchange with the same origin."""

import time
from collections import defaultdict, deque

import gevent

from app.relay.connection import Connection, Origin

# Less than the 60 s after which common load balancers close an idle connection.
IDLE_S = 55.0
IDLE_CONNECTIONS = 512
SWEEP_S = 5.0


class Pool:
    """The idle connections of one worker.

    A connection belongs to the process that dialled it; after a fork a pool starts empty, because two
    processes that read from one socket get each other's answers.
    """

    def __init__(self) -> None:
        self._idle: defaultdict[Origin, deque[Connection]] = defaultdict(deque)
        self._is_sweeping = False

    def take(self, origin: Origin) -> Connection | None:
        """Return the connection used last that is still open and silent, or None."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if time.monotonic() < connection.idle_until_s and connection.is_silent():
                connection.is_reused = True
                return connection
            connection.close()
        return None

    def give_back(self, origin: Origin, connection: Connection, idle_s: float = IDLE_S) -> None:
        """Keep a connection whose last answer was read to its end, for at most `idle_s`."""
        idle = self._idle[origin]
        if len(idle) >= IDLE_CONNECTIONS:
            idle.popleft().close()
        connection.idle_until_s = time.monotonic() + min(idle_s, IDLE_S)
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
        now_s = time.monotonic()
        for origin, idle in list(self._idle.items()):
            alive = deque(c for c in idle if now_s < c.idle_until_s and c.is_silent())
            for connection in set(idle) - set(alive):
                connection.close()
            if alive:
                self._idle[origin] = alive
            else:
                del self._idle[origin]
        self._is_sweeping = bool(self._idle)
        if self._is_sweeping:
            gevent.spawn_later(SWEEP_S, self._sweep)
