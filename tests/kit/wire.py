"""Reading a request off a socket the plain way, so that tests see octets and not a library's view of them."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

from tests.kit.fields import Fields

RAW_KEPT = 1 << 20
BLOCK = 1 << 16


class CutError(Exception):
    """The peer ended its side before what was being read was whole."""


class Inbox:
    """What one peer sends: buffered for the reader, remembered for the test.

    `raw` keeps the first RAW_KEPT octets, `count` is told of them all, `ending` is None, "fin" or "reset".
    """

    def __init__(self, sock: socket.socket, count: Callable[[int], None]) -> None:
        self.raw = bytearray()
        self.ending: str | None = None
        self.is_waiting = False
        self._sock = sock
        self._count = count
        self._ahead = bytearray()

    def fill(self) -> bool:
        """Wait for some octets more; False once the peer has ended its side."""
        if self.ending:
            return False
        self.is_waiting = True
        try:
            block = self._sock.recv(BLOCK)
        except (ConnectionError, ssl.SSLError):
            self.ending = "reset"
            return False
        finally:
            self.is_waiting = False
        if not block:
            self.ending = "fin"
            return False
        self._count(len(block))
        self.raw += block[: max(0, RAW_KEPT - len(self.raw))]
        self._ahead += block
        return True

    def until(self, mark: bytes) -> bytes:
        """Return everything up to and with `mark`."""
        while (at := self._ahead.find(mark)) < 0:
            if not self.fill():
                raise CutError
        return self._take(at + len(mark))

    def copy(self, size: int, sink: Callable[[bytes], None]) -> None:
        """Hand `size` octets to `sink`, block by block."""
        while size:
            if not self._ahead and not self.fill():
                raise CutError
            piece = self._take(min(size, len(self._ahead)))
            sink(piece)
            size -= len(piece)

    def drain(self) -> None:
        """Swallow what still comes, until the peer ends its side."""
        self._ahead.clear()
        while self.fill():
            self._ahead.clear()

    def _take(self, size: int) -> bytes:
        piece = bytes(self._ahead[:size])
        del self._ahead[:size]
        return piece


def read_body(inbox: Inbox, fields: Fields, sink: Callable[[bytes], None]) -> Fields:
    """Hand the body that the fields announce to `sink`; return the trailers. Raises CutError if short."""
    if "transfer-encoding" in fields.names():
        return _read_chunks(inbox, sink)
    lengths = fields.every("content-length")
    inbox.copy(int(lengths[0]) if lengths else 0, sink)
    return Fields()


def _read_chunks(inbox: Inbox, sink: Callable[[bytes], None]) -> Fields:
    while size := int(inbox.until(b"\r\n").split(b";")[0], 16):
        inbox.copy(size, sink)
        assert inbox.until(b"\r\n") == b"\r\n", "octets after a chunk"
    trailers = []
    while (line := inbox.until(b"\r\n")) != b"\r\n":
        trailers.append(line[:-2])
    return Fields.from_head(trailers)
