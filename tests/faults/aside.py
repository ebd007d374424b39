"""For goals with a gateway of their own: an upstream in a thread, and a caller that keeps the time of each answer."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.kit.gateway import Gateway

MASTER = "sk-aside-master-0123456789abcdef"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer, and when its request was sent, on the monotonic clock."""

    at_s: float
    took_ms: float
    status: int
    head: bytes


class Caller:
    """One kept connection, used by one thread; opened anew where it was lost."""

    def __init__(self, port: int, key: str, timeout_s: float = 30) -> None:
        self._port, self._key, self._timeout_s = port, key, timeout_s
        self._socket: socket.socket | None = None

    def ask(self, method: str = "GET", target: str = "/a", body: bytes = b"") -> Heard:
        """Return what was heard; status 0 where the connection was lost."""
        head = f"{method} {target} HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {self._key}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        began_s = time.monotonic()
        try:
            got = self._exchange(head.encode() + b"\r\n" + body)
        except OSError:
            self.close()
            return Heard(began_s, (time.monotonic() - began_s) * 1000, 0, b"")
        return Heard(began_s, (time.monotonic() - began_s) * 1000, int(got[9:12]), got)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, octets: bytes) -> bytes:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=self._timeout_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(octets)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._some()
        head, _, begun = got.partition(b"\r\n\r\n")
        body = bytearray(begun)
        (length,) = (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(body) < length:
            body += self._some()
        if b"connection: close" in head.lower():
            self.close()
        return head + b"\r\n\r\n" + bytes(body)

    def _some(self) -> bytes:
        assert self._socket is not None
        if not (octets := self._socket.recv(65_536)):
            raise ConnectionResetError
        return octets


def once(port: int, key: str = "-", method: str = "GET", target: str = "/a", body: bytes = b"") -> Heard:
    """Ask on a connection of its own, and wait 5 s at most."""
    with contextlib.closing(Caller(port, key, timeout_s=5)) as caller:
        return caller.ask(method, target, body)


class Beat:
    """Asks at a steady pace, in a thread, as long as the block lasts."""

    def __init__(self, port: int, key: str, per_s: float = 50.0) -> None:
        self.heard: list[Heard] = []
        self._caller = Caller(port, key)
        self._pause_s = 1 / per_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Beat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()
        self._caller.close()

    def between(self, begin_s: float, end_s: float) -> list[Heard]:
        return [heard for heard in list(self.heard) if begin_s <= heard.at_s < end_s]

    def _run(self) -> None:
        due_s = time.monotonic()
        while not self._is_over.is_set():
            self.heard.append(self._caller.ask())
            due_s = max(due_s + self._pause_s, time.monotonic() - 1)
            self._is_over.wait(max(0.0, due_s - time.monotonic()))


def median_ms(heard: Sequence[Heard]) -> float:
    return statistics.median(one.took_ms for one in heard) if heard else 0.0


def most_ms(heard: Sequence[Heard]) -> float:
    return max((one.took_ms for one in heard), default=0.0)


def failed(heard: Sequence[Heard]) -> int:
    """Return how many got no answer, or the gateway's own 5xx."""
    return sum(one.status == 0 or one.status >= 500 for one in heard)


class _Visit(asyncio.Protocol):
    """Answers 200 to each head; bodies are expected to come in one piece with it."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if b"\r\n\r\n" in data:
            self.answer(data)

    def answer(self, head: bytes) -> None:
        self.transport.write(OK)


@contextlib.contextmanager
def upstream(visit: type[_Visit] = _Visit) -> Iterator[int]:
    """Serve on a port of loopback, in a thread, as long as the block lasts."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(visit, "127.0.0.1", 0, backlog=4096))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield server.sockets[0].getsockname()[1]
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


Visit = _Visit


@contextlib.contextmanager
def gateway(
    config: str, environ: Mapping[str, str], workers: int = 2, prefix: tuple[str, ...] = ()
) -> Iterator[Gateway]:
    """Run a gateway of these settings as long as the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    run = Gateway(folder, config, {"LOG_LEVEL": "WARNING", "MASTER_KEY": MASTER, **environ}, workers)
    run.prefix = prefix
    run.start()
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.begin_stop()
            run.process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)
