"""Notices a client that leaves while its upstream is silent.

A WSGI server learns of it only at its next write, which a model that thinks for minutes puts off. Here
the kernel tells: epoll reports EPOLLRDHUP when the peer has closed or half-closed its side, whatever is
still unread. A half-closed client counts as gone, as in nginx and Go.
"""

import select
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

import gevent
from gevent import monkey
from gevent.hub import get_hub

from app.errors import ClientLeft

READABLE = 1  # libev's EV_READ
IS_LINUX = sys.platform == "linux"

Fault = Callable[[], BaseException]


def client_left() -> BaseException:
    """Return what is raised where an exchange waits whose client has left."""
    return ClientLeft("the client closed its connection")


class DepartureWatch:
    """One epoll set for all waiting exchanges of a worker; made with the first of them, so after the fork.

    Where there is no epoll (macOS) a departure is noticed at the next write, as everywhere in WSGI.
    `begin` and `end` are called by the exchange's own greenlet; between them what `fault` makes, ClientLeft if
    nothing else is said, may be raised in it wherever it waits, as gevent.Timeout would be.
    """

    def __init__(self) -> None:
        self._epoll: select.epoll | None = None
        self._waiting: dict[int, tuple[gevent.Greenlet, Fault]] = {}

    def begin(self, client: socket.socket, fault: Fault = client_left) -> None:
        """Watch this client on behalf of the current greenlet."""
        if not IS_LINUX:
            return
        if self._epoll is None:
            self._epoll = self._opened()
        number = client.fileno()
        self._waiting[number] = gevent.getcurrent(), fault
        self._epoll.register(number, select.EPOLLRDHUP)

    def end(self, client: socket.socket) -> None:
        """Watch this client no longer; harmless when it is not watched."""
        self._forget(client.fileno())

    def _opened(self) -> "select.epoll":
        # gevent takes epoll out of `select`, since it would block the loop; with time-out 0 it cannot.
        epoll: select.epoll = monkey.get_original("select", "epoll")()
        self._watcher = get_hub().loop.io(epoll.fileno(), READABLE)
        self._watcher.start(self._wake)
        return epoll

    def _forget(self, number: int) -> tuple[gevent.Greenlet, Fault] | None:
        waiting = self._waiting.pop(number, None)
        if waiting is not None and self._epoll is not None:
            with suppress(OSError):
                self._epoll.unregister(number)
        return waiting

    def _wake(self) -> None:
        for number, _event in self._epoll.poll(0) if self._epoll else ():
            waiting = self._forget(number)
            if waiting is not None:
                greenlet, fault = waiting
                greenlet.throw(fault())
