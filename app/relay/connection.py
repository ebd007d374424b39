"""One connection to an upstream: dialled, spoken over, closed."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import gevent
from gevent.hub import get_hub

from app.errors import GatewayError, UpstreamTimeout, UpstreamUnreachable
from app.readable import READABLE, Readable, impatient

RECEIVE_BYTES = 64 * 1024


class Origin(NamedTuple):
    """Where a connection leads; connections of one origin stand in for each other (RFC 9110 §4.3.1)."""

    scheme: str
    host: str
    port: int


class Answered(Exception):
    """The upstream began to answer, or hung up, while the request was still being sent."""


class Connection:
    """A socket to an upstream with what has been received and not yet read.

    Made by `dial`; owned by one exchange at a time, or by the pool. Every method that waits raises
    TimeoutError when its time is over and OSError when the connection is lost.
    """

    __slots__ = (
        "_impatient", "_is_drained", "_readable", "_timeout_s",
        "buffered", "idle_since_s", "idle_until_s", "is_reused", "socket",
    )  # fmt: skip

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self._impatient = impatient(connected)
        self._timeout_s = connected.gettimeout()
        self._readable: Readable | None = None
        self._is_drained = False
        self.buffered = b""
        self.is_reused = False
        self.idle_since_s = 0.0
        self.idle_until_s = 0.0

    def send_some(self, octets: bytes, timeout_s: float | None) -> int:
        """Send what the kernel takes at once; an error means that it took nothing."""
        self._within(timeout_s)
        return self.socket.send(octets)

    def send(self, octets: bytes, timeout_s: float | None) -> None:
        """Send all of it; `timeout_s` is for the whole call."""
        self._within(timeout_s)
        self.socket.sendall(octets)

    def receive(self, timeout_s: float | None) -> bytes:
        """Return what is buffered, or the next octets to arrive; b"" at the connection's end."""
        if self.buffered:
            return self._take_buffered()
        if self._impatient is None:
            self._within(timeout_s)
            return self.socket.recv(RECEIVE_BYTES)
        while True:
            # To ask an empty socket again costs a system call and an exception.
            if self._is_drained:
                self.wait(timeout_s)
            octets = self.receive_now()
            self._is_drained = octets is None or len(octets) < RECEIVE_BYTES
            if octets is not None:
                return octets

    def _within(self, timeout_s: float | None) -> None:
        if timeout_s != self._timeout_s:
            self.socket.settimeout(timeout_s)
            self._timeout_s = timeout_s

    def wait(self, timeout_s: float | None, step: Callable[[], bool] | None = None) -> None:
        """Wait for octets; see `Readable.wait`."""
        if self._readable is None:
            self._readable = Readable(self.socket)
        self._readable.wait(timeout_s, step)

    def receive_now(self) -> bytes | None:
        """Return what has arrived, b"" at the connection's end; None where nothing has, which is not waited for."""
        if self.buffered:
            return self._take_buffered()
        try:
            if self._impatient is not None:
                return bytes(self._impatient.recv(RECEIVE_BYTES))
            return self._received_at_once()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    def _take_buffered(self) -> bytes:
        octets, self.buffered = self.buffered, b""
        return octets

    def is_silent(self) -> bool:
        """Tell whether the upstream has sent nothing and not hung up, without waiting.

        What it did send is kept for `receive`. TLS may be readable with no octets for us
        (session tickets, RFC 8446 §4.6.1), so readability alone says nothing.
        """
        try:
            octets = self.receive_now()
        except OSError:
            return False
        self.buffered = octets or b""
        return octets is None

    def _received_at_once(self) -> bytes:
        timeout_s = self._timeout_s
        try:
            self._within(0.0)
            return self.socket.recv(RECEIVE_BYTES)
        finally:
            with suppress(OSError):
                self._within(timeout_s)

    @contextmanager
    def interrupted_by_answer(self) -> Iterator[None]:
        """Raise Answered in the block, wherever it waits, as soon as the upstream has something to say.

        Works like gevent.Timeout: the loop throws into the greenlet that entered the block.
        """
        interrupt: Callable[..., object] = gevent.getcurrent().throw
        watcher = get_hub().loop.io(self.socket.fileno(), READABLE)

        def on_readable() -> None:
            if not self.is_silent():
                watcher.stop()
                interrupt(Answered())

        watcher.start(on_readable)
        try:
            yield
        finally:
            watcher.stop()
            watcher.close()

    def close(self) -> None:
        if self._readable is not None:
            self._readable.close()
            self._readable = None
        self._is_drained = False
        with suppress(OSError):
            self.socket.close()


def dial(origin: Origin, timeout_s: float, authorities: Callable[[], ssl.SSLContext]) -> Connection:
    """Return a new connection, TLS done where the scheme asks for it; only then `authorities` is asked.

    Raises UpstreamUnreachable or, when resolving, connecting and TLS take longer than
    `timeout_s` together, UpstreamTimeout.
    """
    late = UpstreamTimeout(f"The upstream took no connection within {timeout_s:g} s. Try again later.")
    with gevent.Timeout(timeout_s, late):
        try:
            return Connection(_connected(origin, authorities))
        except GatewayError:
            raise
        except ssl.SSLError as fault:
            raise UpstreamUnreachable("No TLS connection to the upstream could be made.") from fault
        except (OSError, UnicodeError) as fault:
            raise UpstreamUnreachable("The upstream could not be reached.") from fault


def _connected(origin: Origin, authorities: Callable[[], ssl.SSLContext]) -> socket.socket:
    plain = socket.create_connection((origin.host, origin.port))
    try:
        # A request is written at once; waiting to fill a segment only delays it (RFC 896).
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A model may think for minutes: the kernel finds out whether its machine is still there.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if origin.scheme == "https":
            return authorities().wrap_socket(plain, server_hostname=origin.host, suppress_ragged_eofs=False)
    except BaseException:
        plain.close()
        raise
    return plain


class Deadline:
    """A moment on the monotonic clock, or none at all."""

    __slots__ = ("_end_s",)

    def __init__(self, after_s: float | None) -> None:
        self._end_s = None if after_s is None else time.monotonic() + after_s

    @property
    def is_set(self) -> bool:
        return self._end_s is not None

    def within(self, timeout_s: float) -> float:
        """Return `timeout_s`, or what is left until the deadline where that is less by a millisecond.

        A deadline that has only just begun gives the same number each time, for which a connection keeps its timer.
        Raises TimeoutError when nothing is left.
        """
        if self._end_s is None:
            return timeout_s
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s if left_s < timeout_s - 0.001 else timeout_s
