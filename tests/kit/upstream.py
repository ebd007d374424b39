"""A scripted upstream: a real server on loopback that remembers every octet and answers as the test says.

A script is what one request is answered with: steps in the order they are played. A step is bytes, sent as
they are, or a callable that gets the Turn. Nothing here sleeps: a script waits for events that the test sets,
or for its peer to go.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.kit.fields import Fields
from tests.kit.waiting import eventually
from tests.kit.wire import RAW_KEPT, CutError, Inbox, read_body

DEADLINE_S = 10.0
# Longer than the client's deadline: a test that fails fails there, and not by an end of the upstream's.
SCRIPT_DEADLINE_S = 30.0
LINGER_NONE = struct.pack("ii", 1, 0)  # socket(7): close() then sends RST in place of FIN


class TestOverError(Exception):
    """The test that wrote the script has ended; its remaining steps have no meaning."""

    __test__ = False


class Connection:
    """One accepted connection: its octets, its requests and how it ended."""

    def __init__(self, number: int, sock: socket.socket, count: Callable[[int], None]) -> None:
        self.number = number
        self.sock = sock
        self.inbox = Inbox(sock, count)
        self.requests: list[Seen] = []
        self.ended = threading.Event()
        self.is_closed_by_us = False

    @property
    def ending(self) -> str | None:
        """How the peer ended: "fin" or "reset"; None while it has not."""
        return self.inbox.ending

    @property
    def raw(self) -> bytes:
        """The first MiB of what the peer sent, framing included."""
        return bytes(self.inbox.raw)

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is left to be read here, now."""
        if self.ended.is_set():
            return True
        poll = select.poll()
        try:
            poll.register(self.sock, select.POLLIN)
        except (OSError, ValueError):  # Closed just now; its thread is about to say so.
            return False
        return self.inbox.is_waiting and not poll.poll(0)

    def close(self) -> None:
        self.is_closed_by_us = True
        self.sock.close()

    def encrypt(self, tls: ssl.SSLContext, count: Callable[[int], None]) -> None:
        """Speak TLS from here on. Raises OSError when the handshake fails."""
        self.sock = tls.wrap_socket(self.sock, server_side=True)
        self.inbox = Inbox(self.sock, count)


@dataclass(eq=False)
class Seen:
    """A request as the upstream received it. `whole` stays False until the last octet of its body."""

    connection: Connection
    raw_head: bytes
    method: str
    target: str
    version: str
    fields: Fields
    news: threading.Condition
    script: tuple[Step, ...]
    body: bytearray = field(default_factory=bytearray)
    body_bytes: int = 0
    whole: bool = False
    trailers: Fields = field(default_factory=Fields)
    finished: threading.Event = field(default_factory=threading.Event)
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def is_chunked(self) -> bool:
        return "transfer-encoding" in self.fields.names()

    def add(self, piece: bytes) -> None:
        with self.news:
            self.body += piece[: max(0, RAW_KEPT - len(self.body))]
            self._digest.update(piece)
            self.body_bytes += len(piece)
            self.news.notify_all()

    def wait_for_body(self, size: int) -> None:
        """Wait until at least `size` octets of the body are here."""
        with self.news:
            came = self.news.wait_for(lambda: self.body_bytes >= size, DEADLINE_S)
        assert came, f"only {self.body_bytes} of {size} octets reached the upstream"

    def wait_until_finished(self) -> None:
        """Wait until the body is whole or its connection has ended."""
        assert self.finished.wait(DEADLINE_S), "the request neither became whole nor broke off"


class Turn:
    """One request in the hands of its script."""

    def __init__(self, seen: Seen, over: threading.Event, waits: set[threading.Event]) -> None:
        self.seen = seen
        self.sent_bytes = 0
        self._over = over
        self._waits = waits

    @property
    def connection(self) -> Connection:
        return self.seen.connection

    def read_body(self) -> None:
        """Read the request's body to its end; once read, does nothing."""
        seen = self.seen
        if seen.finished.is_set():
            return
        try:
            seen.trailers = read_body(self.connection.inbox, seen.fields, seen.add)
            seen.whole = True
        finally:
            seen.finished.set()

    def send(self, octets: bytes) -> None:
        self.connection.sock.sendall(octets)
        self.sent_bytes += len(octets)

    def wait(self, event: threading.Event) -> None:
        """Wait until the test sets `event`."""
        self._waits.add(event)
        if self._over.is_set() or not event.wait(SCRIPT_DEADLINE_S) or self._over.is_set():
            raise TestOverError

    def shut(self) -> None:
        """End our side by FIN; once this returns, the FIN lies in the peer's kernel."""
        self.connection.sock.shutdown(socket.SHUT_WR)

    def fin(self) -> None:
        """End our side, and swallow what the peer still sends until it ends its own."""
        self.shut()
        self.until_gone()

    def close(self) -> None:
        """Close at once; the kernel sends RST where request octets lie unread."""
        self.connection.close()

    def reset(self) -> None:
        """Close by RST."""
        self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        self.connection.close()

    def until_gone(self) -> None:
        """Stay silent until the peer ends the connection."""
        self.connection.inbox.drain()
        self.seen.finished.set()

    def flood(self, piece: bytes) -> None:
        """Send `piece` again and again until the peer is gone."""
        while True:
            self.send(piece)


Step = bytes | Callable[[Turn], None]


def BODY(turn: Turn) -> None:
    turn.read_body()


def FIN(turn: Turn) -> None:
    turn.fin()


def CLOSE(turn: Turn) -> None:
    turn.close()


def RST(turn: Turn) -> None:
    turn.reset()


def SILENCE(turn: Turn) -> None:
    turn.until_gone()


def wait(event: threading.Event) -> Step:
    """Return the step that waits until the test sets `event`."""
    return lambda turn: turn.wait(event)


def flood(piece: bytes) -> Step:
    """Return the step that sends `piece` for as long as somebody takes it."""
    return lambda turn: turn.flood(piece)


def repeat(piece: bytes, times: int) -> Step:
    """Return the step that sends `piece` so many times, holding it once."""

    def send(turn: Turn) -> None:
        for _ in range(times):
            turn.send(piece)

    return send


def head(status: int = 200, fields: Iterable[tuple[str, str]] = (), reason: str = "OK") -> bytes:
    """Return the octets of an answer's head."""
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def answer(status: int = 200, fields: Iterable[tuple[str, str]] = (), body: bytes = b"") -> bytes:
    """Return the octets of a whole answer with a Content-Length."""
    return head(status, [*fields, ("Content-Length", str(len(body)))]) + body


def chunk(octets: bytes) -> bytes:
    """Return one chunk of chunked coding; of no octets, the last one."""
    return b"%x\r\n%b\r\n" % (len(octets), octets)


class Upstream:
    """The server. `requests`, `connections` and `octets` tell what came since the last `forget`.

    `octets` counts on all connections, those that were there before included. A `greeting` is sent as soon
    as a connection is there.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, greeting: bytes = b"") -> None:
        self.requests: list[Seen] = []
        self.connections: list[Connection] = []
        self.surprises: list[str] = []
        self.octets = 0
        self._tls = tls
        self._greeting = greeting
        self._news = threading.Condition()
        self._numbers = itertools.count(1)
        self._alive: set[Connection] = set()
        self._scripts: list[tuple[Step, ...]] = []
        self._over = threading.Event()
        self._waits: set[threading.Event] = set()
        self._busy: set[Connection] = set()
        self._fence: tuple[str, int] | None = None
        self._fence_reached = threading.Event()
        self._begin()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name="upstream", daemon=True)
        self._acceptor.start()

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.port}"

    def plays(self, *steps: Step) -> None:
        """Answer each request with these steps, its body read first."""
        self.plays_unread(BODY, *steps)

    def plays_unread(self, *steps: Step) -> None:
        """Answer each request with these steps; the body is read where a step says BODY, else at the end."""
        self._scripts = [steps]

    def plays_in_turn(self, *scripts: Iterable[Step]) -> None:
        """Answer the first request with the first script and so on; the last one stays."""
        self._scripts = [(BODY, *steps) for steps in scripts]

    def wait_for_requests(self, count: int) -> list[Seen]:
        """Return the requests once so many have come."""
        with self._news:
            came = self._news.wait_for(lambda: len(self.requests) >= count, DEADLINE_S)
        assert came, f"{len(self.requests)} of {count} requests reached the upstream"
        return list(self.requests)

    def wait_for_request(self) -> Seen:
        """Return the only request, once it has come."""
        (seen,) = self.wait_for_requests(1)
        return seen

    def forget(self) -> None:
        """Start anew for the next test: no requests, the plain script, and no exchange left open.

        What the gateway has sent until now belongs to the test before, although no thread may have read it yet.
        """
        self._end_scripts()
        self._settle()
        self._begin()

    def stop(self) -> None:
        """Close the listener and every connection."""
        self.forget()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(DEADLINE_S)
        for connection in list(self._alive):
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
            assert connection.ended.wait(DEADLINE_S)

    def _begin(self) -> None:
        self._waits = set()
        self.requests, self.connections, self.surprises, self.octets = [], [], [], 0
        self.plays(answer(body=b"plain answer"))

    def _end_scripts(self) -> None:
        over, self._over = self._over, threading.Event()
        over.set()
        for event in self._waits:
            event.set()
        with self._news:
            stuck = list(self._busy)
        for connection in stuck:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _settle(self) -> None:
        """Wait until every octet that is here has been read, on every connection that is here.

        Connections are accepted in the order they came, so all earlier ones are known when our own is.
        """
        self._fence_reached.clear()
        with socket.socket() as fence:
            fence.bind(("127.0.0.1", 0))
            self._fence = fence.getsockname()
            fence.connect(("127.0.0.1", self.port))
            assert self._fence_reached.wait(DEADLINE_S)
        eventually(lambda: all(c.is_at_rest for c in list(self._alive)), DEADLINE_S, "the upstream is at rest")

    def _accept(self) -> None:
        while True:
            try:
                sock, peer = self._listener.accept()
            except OSError:
                return
            if peer == self._fence:
                sock.close()
                self._fence_reached.set()
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(next(self._numbers), sock, self._count)
            with self._news:
                self._alive.add(connection)
                self.connections.append(connection)
            threading.Thread(target=self._receive, args=(connection,), daemon=True).start()

    def _receive(self, connection: Connection) -> None:
        try:
            if self._tls:
                connection.encrypt(self._tls, self._count)
            connection.sock.sendall(self._greeting)
            self._converse(connection)
        except OSError:  # A failed handshake, or a peer that left before it was greeted.
            connection.inbox.ending = connection.inbox.ending or "reset"
        finally:
            connection.sock.close()
            self._alive.discard(connection)
            connection.ended.set()

    def _converse(self, connection: Connection) -> None:
        """Take requests until either side ends; expected ends of a fault test are not surprises."""
        while not connection.is_closed_by_us:
            try:
                seen = self._next_request(connection)
            except CutError:
                return
            try:
                self._play(seen)
            except (CutError, TestOverError):
                return
            except OSError:  # A send failed: the peer is gone.
                connection.inbox.ending = connection.inbox.ending or "reset"
                return
            except Exception as surprise:  # A script or the framing failed: the test must hear of it.
                self.surprises.append(f"{seen.method} {seen.target}: {surprise!r}")
                return
            finally:
                seen.finished.set()
                self._busy.discard(connection)

    def _next_request(self, connection: Connection) -> Seen:
        raw_head = connection.inbox.until(b"\r\n\r\n")
        line, *rest = raw_head[:-4].split(b"\r\n")
        method, target, version = line.decode("latin-1").split(" ")
        with self._news:
            script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
            fields = Fields.from_head(rest)
            seen = Seen(connection, raw_head, method, target, version, fields, self._news, script)
            self._busy.add(connection)
            connection.requests.append(seen)
            self.requests.append(seen)
            self._news.notify_all()
        return seen

    def _count(self, octets: int) -> None:
        with self._news:
            self.octets += octets

    def _play(self, seen: Seen) -> None:
        turn = Turn(seen, self._over, self._waits)
        for step in seen.script:
            turn.send(step) if isinstance(step, bytes) else step(turn)
            if seen.connection.is_closed_by_us:
                return
        turn.read_body()
