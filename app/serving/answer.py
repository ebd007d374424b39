"""An answer on its way to the client: status line and fields, then the body in its framing (RFC 9112 §6)."""

import socket
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from gunicorn import SERVER

from app.errors import UpstreamBroke
from app.fields import Fields
from app.readable import impatient
from app.serving.head import RequestHead

LAST_CHUNK = b"0\r\n\r\n"


class Answer:
    """What WSGI calls start_response and write (PEP 3333), on one connection and for one request.

    The head leaves together with the first piece of the body: one packet, one system call.
    """

    __slots__ = (
        "_client", "_head", "_impatient", "_is_followed", "_length", "_request", "_rest", "_sent",
        "is_begun", "is_chunked", "is_kept", "omits_body",
    )  # fmt: skip

    def __init__(self, client: socket.socket, request: RequestHead, is_followed: Callable[[], bool]) -> None:
        """`is_followed` tells, when the head is made, whether another request may come on this connection."""
        self._client = client
        self._impatient = impatient(client) or client
        self._request = request
        self._is_followed = is_followed
        self._head = b""
        self._length: int | None = None
        self._sent = 0
        self._rest: bytes | memoryview = b""
        self.is_begun = False
        """Octets have left: the status is spent."""
        self.is_chunked = False
        self.omits_body = False
        self.is_kept = False
        """The connection can take another request after this answer."""

    def start_response(self, status: str, fields: Fields, exc_info: Any = None) -> Callable[[bytes], None]:
        """Take down status and fields. A second call is for an error page, while nothing has left."""
        if exc_info and self.is_begun:
            raise exc_info[1].with_traceback(exc_info[2])
        if status[:3] == "204":  # RFC 9110 §8.6: no server sends a length with it
            fields = [field for field in fields if field[0].lower() != "content-length"]
        lines = [f"{name}: {value}" for name, value in fields]
        text = "".join((status, *lines))
        if "\n" in text or "\r" in text:
            raise ValueError("a field of the answer has a line break")
        length = next((value for name, value in fields if name.lower() == "content-length"), None)
        # RFC 9110 §6.4.1: these have no body, whatever their fields say of one.
        self.omits_body = self._request.method == "HEAD" or status[:3] in ("204", "304")
        self._length = None if length is None else int(length)
        self.is_chunked = length is None and not self.omits_body and self._request.minor_version == 1
        ends_by_itself = length is not None or self.is_chunked or self.omits_body
        self.is_kept = ends_by_itself and not self._request.is_last and self._is_followed()
        head = "\r\n".join((
            f"HTTP/1.{self._request.minor_version} {status}\r\nServer: {SERVER}\r\nDate: {_date(int(time.time()))}",
            "Connection: keep-alive" if self.is_kept else "Connection: close",
            *(["Transfer-Encoding: chunked"] if self.is_chunked else ()),
            *lines,
            "\r\n",
        ))  # fmt: skip
        self._head = head.encode("latin-1")
        return self.write

    @property
    def takes_offers(self) -> bool:
        """What the client does not take at once can be known without waiting for it; of TLS it cannot."""
        return self._impatient is not self._client

    def write(self, piece: bytes) -> None:
        """Send a piece of the body; an empty first one sends the head alone."""
        if not self.offer(piece):
            self.flush()

    def offer(self, piece: bytes) -> bool:
        """Send as much of a piece as the client takes at once; tells whether that was all. `flush` sends the rest."""
        self._sent += len(piece)
        if self.omits_body:
            piece = b""
        elif self._length is not None and self._sent > self._length:
            piece = piece[: max(0, len(piece) - (self._sent - self._length))]
        if self.is_chunked and piece:
            piece = b"%x\r\n%b\r\n" % (len(piece), piece)
        return self._send(piece)

    def flush(self) -> None:
        """Send what the client has not taken yet, and wait for that."""
        rest, self._rest = self._rest, b""
        if rest:
            self._client.sendall(rest)

    def finish(self) -> None:
        """Send what is left of the framing; raises UpstreamBroke when the body is shorter than was told."""
        if self._length is not None and self._sent < self._length and not self.omits_body:
            self._send(b"")
            self.flush()
            raise UpstreamBroke("the answer is shorter than its Content-Length")
        self._send(LAST_CHUNK if self.is_chunked else b"")
        self.flush()

    def _send(self, octets: bytes) -> bool:
        if not self.is_begun:
            self.is_begun = True
            octets = self._head + octets
        if not octets:
            return True
        try:
            sent = self._impatient.send(octets)
        except BlockingIOError:
            sent = 0
        if sent == len(octets):
            return True
        self._rest = memoryview(octets)[sent:]
        return False


@lru_cache(maxsize=2)
def _date(now_s: int) -> str:
    return formatdate(now_s, usegmt=True)
