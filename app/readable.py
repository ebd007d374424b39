"""Waiting for octets on a socket, time after time."""

import socket
from typing import Any

import gevent
from gevent.hub import get_hub

READABLE = 1  # libev's EV_READ


class Readable:
    """Waits for octets on a socket, as its own `recv` would.

    Watcher and timer are made once: a stream waits thousands of times, and gevent makes both anew for each.
    """

    __slots__ = ("_hub", "_timeout_s", "_timer", "_watcher")

    def __init__(self, connected: socket.socket) -> None:
        self._hub = get_hub()
        self._watcher = self._hub.loop.io(connected.fileno(), READABLE)
        self._timeout_s: float | None = None
        self._timer: Any = None

    def wait(self, timeout_s: float | None) -> None:
        """Return when there is something to receive; raises TimeoutError after so many seconds (None: never)."""
        if timeout_s != self._timeout_s:
            self._take(timeout_s)
        if self._timer is not None:
            # From now, not from when the loop last looked at its clock: a busy worker would run out of time at once.
            self._timer.start(gevent.getcurrent().throw, TimeoutError, update=True)
        try:
            self._hub.wait(self._watcher)
        finally:
            if self._timer is not None:
                self._timer.stop()

    def _take(self, timeout_s: float | None) -> None:
        if self._timer is not None:
            self._timer.close()
        self._timeout_s = timeout_s
        self._timer = None if timeout_s is None else self._hub.loop.timer(timeout_s)

    def close(self) -> None:
        """Let go of the loop; before the socket is closed, whose number is another's then."""
        self._watcher.close()
        self._take(None)
