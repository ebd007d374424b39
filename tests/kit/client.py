"""A raw client: sends exactly the octets it is given, and lets h11, as strict judge, read what comes back."""

from __future__ import annotations

import contextlib
import hashlib
import select
import socket
import struct
import threading
from collections.abc import Iterable

import h11

from tests.kit.fields import Fields

DEADLINE_S = 10.0
BLOCK = 1 << 16
BODY_KEPT = 1 << 24
HEAD_LIMIT = 1 << 20


def request_head(method: str, target: str, fields: Iterable[tuple[str, str]] = ()) -> bytes:
    """Return the octets of a head; a Host is put in front where the fields name none."""
    fields = list(fields)
    if "host" not in (name.lower() for name, _ in fields):
        fields.insert(0, ("Host", "gateway.test"))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def request(method: str, target: str, fields: Iterable[tuple[str, str]] = (), body: bytes | None = None) -> bytes:
    """Return the octets of a whole request; a body of known length gets its Content-Length."""
    length = [] if body is None else [("Content-Length", str(len(body)))]
    return request_head(method, target, [*fields, *length]) + (body or b"")


class Answer:
    """An answer as it comes in. `ending` is None while it comes, then "whole", "cut", "reset" or "invalid".

    `body` keeps the first 16 MiB; `body_bytes` and `sha256` tell of all of it.
    """

    def __init__(self, method: str) -> None:
        self.status = 0
        self.reason = b""
        self.fields = Fields()
        self.informational: list[int] = []
        self.body = bytearray()
        self.body_bytes = 0
        self.ending: str | None = None
        self._digest = hashlib.sha256()
        self._judge = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
        self._judge.send(h11.Request(method=method, target="/", headers=[("Host", "judge")]))
        self._judge.send(h11.EndOfMessage())

    @property
    def is_whole(self) -> bool:
        return self.ending == "whole"

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def request_id(self) -> str:
        return self.fields.one("x-gateway-request-id")

    @property
    def leftover(self) -> bytes:
        """Octets that came after the answer's end."""
        return self._judge.trailing_data[0]

    def take(self, octets: bytes) -> None:
        """Read on; no octets mean that the gateway has ended its side."""
        try:
            self._judge.receive_data(octets)
            while self.ending is None and self._advance(self._judge.next_event()):
                pass
        except h11.RemoteProtocolError:
            self.ending = "invalid" if octets else "cut"

    def _advance(self, event: object) -> bool:
        match event:
            case h11.InformationalResponse():
                self.informational.append(event.status_code)
            case h11.Response():
                self._read_head(event)
            case h11.Data():
                self._read_data(bytes(event.data))
            case h11.EndOfMessage():
                self.ending = "whole"
            case h11.ConnectionClosed():
                self.ending = "cut"
        return event not in (h11.NEED_DATA, h11.PAUSED)

    def _read_head(self, event: h11.Response) -> None:
        self.status, self.reason = event.status_code, event.reason
        pairs = event.headers.raw_items()
        self.fields = Fields((name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs)

    def _read_data(self, data: bytes) -> None:
        self.body += data[: max(0, BODY_KEPT - len(self.body))]
        self.body_bytes += len(data)
        self._digest.update(data)


class Client:
    """One connection to the gateway."""

    def __init__(self, port: int, receive_buffer_bytes: int | None = None) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer_bytes:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.sock.settimeout(DEADLINE_S)
        try:
            self.sock.connect(("127.0.0.1", port))
        except OSError:
            self.sock.close()
            raise
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ahead = b""

    def send(self, octets: bytes) -> None:
        self.sock.sendall(octets)

    def send_while_taken(self, octets: bytes) -> None:
        """Send until all is sent or the gateway takes no more."""
        with contextlib.suppress(ConnectionError):
            self.sock.sendall(octets)

    def send_in_background(self, octets: bytes) -> threading.Thread:
        """Send while the test reads; join the returned thread."""
        thread = threading.Thread(target=self.send_while_taken, args=(octets,))
        thread.start()
        return thread

    def begin_answer(self, method: str = "GET") -> Answer:
        """Return the next answer once its head is here (or it has ended without one)."""
        answer = Answer(method)
        if self._ahead:
            answer.take(self._ahead)
            self._ahead = b""
        while not answer.status and answer.ending is None:
            self._read_on(answer)
        self._keep_leftover(answer)
        return answer

    def read_until(self, answer: Answer, mark: bytes) -> None:
        """Read on until the body holds `mark`."""
        while mark not in answer.body:
            assert answer.ending is None, f"ended {answer.ending} at {bytes(answer.body[-80:])!r}"
            self._read_on(answer)
        self._keep_leftover(answer)

    def finish(self, answer: Answer) -> Answer:
        """Read the answer to its end, whatever the end."""
        while answer.ending is None:
            self._read_on(answer)
        self._keep_leftover(answer)
        return answer

    def answer(self, method: str = "GET") -> Answer:
        """Return the next answer, read to its end."""
        return self.finish(self.begin_answer(method))

    def ask(
        self, method: str, target: str, fields: Iterable[tuple[str, str]] = (), body: bytes | None = None
    ) -> Answer:
        """Send a well-formed request and return its answer, read to its end."""
        self.send(request(method, target, fields, body))
        return self.answer(method)

    def is_closed_by_peer(self) -> bool:
        """Wait for the gateway to end its side; False where it sends something, or nothing in time."""
        if self._ahead:
            return False
        try:
            return self.sock.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def has_octets(self) -> bool:
        """Tell whether the gateway has sent something, now; nothing is taken."""
        return bool(self._ahead or select.select([self.sock], [], [], 0)[0])

    def half_close(self) -> None:
        """End our sending side by FIN and go on reading."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Close by RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _read_on(self, answer: Answer) -> None:
        try:
            answer.take(self.sock.recv(BLOCK))
        except ConnectionError:
            answer.ending = "reset"

    def _keep_leftover(self, answer: Answer) -> None:
        if answer.ending == "whole":
            self._ahead = answer.leftover
