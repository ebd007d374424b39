"""Waiting for octets on a socket, time after time, at less than what gevent's own sockets take for each."""

import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent.hub import get_hub

READABLE = 1  # libev's EV_READ


class Readable:
    """Waits for octets on a socket, as its own `recv` would; there may be none when it returns, as with any poll.

    Watcher and timer are made once: a stream waits thousands of times, and gevent makes both anew for each. Both run
    on from wait to wait: when the timer rings, what is left of this wait's time is looked at.
    """

    __slots__ = ("_hub", "_since_s", "_step", "_timeout_s", "_timer", "_waiting", "_watcher")

    def __init__(self, connected: socket.socket) -> None:
        self._hub = get_hub()
        self._watcher = self._hub.loop.io(connected.fileno(), READABLE)
        self._waiting: Any = None
        self._step: Callable[[], bool] | None = None
        self._since_s = 0.0
        self._timeout_s: float | None = None
        self._timer: Any = None

    def wait(self, timeout_s: float | None, step: Callable[[], bool] | None = None) -> None:
        """Return when there is something to receive; raises TimeoutError after so many seconds (None: never).

        With `step`, the loop itself calls that each time there is something, with the whole time anew, and this returns
        when it tells False. It must neither wait nor raise.
        """
        if timeout_s != self._timeout_s:
            self._timeout_s = timeout_s
            self._set(timeout_s)
        self._waiting = gevent.getcurrent()
        if self._timer is not None:
            self._since_s = time.monotonic()
            if not self._timer.active:
                # From now, not from when the loop last looked at its clock.
                self._timer.start(self._ring, update=True)
        self._step = step
        if not self._watcher.active:
            self._watcher.start(self._wake)
        # As hub.wait, without an object that makes sure who woke us: whoever did, we look at the socket.
        try:
            self._hub.switch()
        finally:
            self._waiting = self._step = None

    def _wake(self) -> None:
        if self._waiting is None:
            self._watcher.stop()  # The next wait starts it again. Most find it started: two system calls less.
        elif self._step is None:
            self._waiting.switch()
        else:
            self._since_s = time.monotonic()
            if not self._step():
                self._waiting.switch()

    def _ring(self) -> None:
        if self._waiting is None or self._timeout_s is None:
            return  # The next wait starts it again.
        left_s = self._since_s + self._timeout_s - time.monotonic()
        if left_s <= 0:
            self._waiting.throw(TimeoutError)
        else:
            self._set(left_s)
            self._timer.start(self._ring, update=True)

    def _set(self, after_s: float | None) -> None:
        if self._timer is not None:
            self._timer.close()
        self._timer = None if after_s is None else self._hub.loop.timer(after_s)

    def close(self) -> None:
        """Let go of the loop; before the socket is closed, whose number is another's then."""
        self._watcher.close()
        self._set(None)


def impatient(connected: Any) -> Any:
    """Return the socket that a socket of gevent's stands on: it raises BlockingIOError where that one waits.

    None for others, and for TLS, which must not be spoken past.
    """
    return None if isinstance(connected, ssl.SSLSocket) else getattr(connected, "_sock", None)
