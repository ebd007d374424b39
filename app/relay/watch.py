"""Notices a client that leaves while its upstream is silent.

A WSGI server learns of it only at its next write, which a model that thinks for minutes puts off. Here
the kernel tells: epoll reports EPOLLRDHUP when the peer has closed or half-closed its side, whatever is
still unread. A half-closed client counts as gone, as in nginx and Go.
"""

import select
import socket
import sys
import weakref
from collections.abc import Callable

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


class Watched:
    """A client's connection that is in the epoll set until it is closed, whether anybody waits or not."""

    __slots__ = ("client", "has_left", "waiting")

    def __init__(self, client: socket.socket) -> None:
        # Weakly, since the number is another connection's once this one is closed.
        self.client = weakref.ref(client)
        self.waiting: tuple[gevent.Greenlet, Fault] | None = None
        self.has_left = False

    def tell(self) -> None:
        """Raise in the greenlet that waits, if one does."""
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            greenlet, fault = waiting
            greenlet.throw(fault())


class DepartureWatch:
    """One epoll set for all clients of a worker; made with the first of them, so after the fork.

    Where there is no epoll (macOS) a departure is noticed at the next write, as everywhere in WSGI.
    `begin` and `end` are called by the exchange's own greenlet; between them what `fault` makes, ClientLeft if
    nothing else is said, may be raised in it wherever it waits, as gevent.Timeout would be.

    A connection is registered once, with its first exchange, and edge-triggered: two system calls less for each
    of the others.
    """

    def __init__(self) -> None:
        self._epoll: select.epoll | None = None
        self._watched: dict[int, Watched] = {}

    def begin(self, client: socket.socket, fault: Fault = client_left) -> None:
        """Watch this client on behalf of the current greenlet."""
        if not IS_LINUX:
            return
        watched = self._watched.get(client.fileno())
        if watched is None or watched.client() is not client:
            watched = self._registered(client)
        watched.waiting = gevent.getcurrent(), fault
        if watched.has_left:
            get_hub().loop.run_callback(watched.tell)

    def end(self, client: socket.socket) -> None:
        """Watch this client no longer; harmless when it is not watched."""
        watched = self._watched.get(client.fileno())
        if watched is not None:
            watched.waiting = None

    def _registered(self, client: socket.socket) -> Watched:
        if self._epoll is None:
            self._epoll = self._opened()
        number = client.fileno()
        watched = self._watched[number] = Watched(client)
        self._epoll.register(number, select.EPOLLRDHUP | select.EPOLLET)
        return watched

    def _opened(self) -> "select.epoll":
        # gevent takes epoll out of `select`, since it would block the loop; with time-out 0 it cannot.
        epoll: select.epoll = monkey.get_original("select", "epoll")()
        self._watcher = get_hub().loop.io(epoll.fileno(), READABLE)
        self._watcher.start(self._wake)
        return epoll

    def _wake(self) -> None:
        for number, _event in self._epoll.poll(0) if self._epoll else ():
            watched = self._watched.get(number)
            if watched is not None:
                watched.has_left = True
                watched.tell()
