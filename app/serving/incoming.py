"""What arrives on a client's connection: one request head after the other, and what lies between them."""

import math
import socket
import time

from app.errors import RequestTimeout
from app.serving.head import Limits, refuse_hopeless

RECEIVE_BYTES = 16 * 1024
# From a head's first octet to its last; as nginx's client_header_timeout.
WHOLE_HEAD_S = 60.0
END_OF_HEAD = b"\r\n\r\n"


class Incoming:
    """A client's connection with what has been received and not been read; owned by one greenlet."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self._buffered = b""
        self.idle_since_s = math.inf
        """When its last exchange ended, on the monotonic clock; no time while one is wanted, and before the first."""

    def take_buffered(self) -> bytes:
        """Return what was received already, and forget it."""
        octets, self._buffered = self._buffered, b""
        return octets

    def unread(self, octets: bytes) -> None:
        """Put back what belongs to the next request."""
        self._buffered = octets + self._buffered

    def head(self, idle_s: float, limits: Limits, whole_s: float = WHOLE_HEAD_S) -> bytes | None:
        """Return the octets of the next request head; None when the client has no other request.

        That is: it closed the connection, or sent nothing for `idle_s`. Raises RequestTimeout where a head is
        not whole `whole_s` after its first octet, and what `refuse_hopeless` raises.
        """
        octets = self.take_buffered() or self._first(idle_s)
        # RFC 9112 §2.2: one empty line in front of a request is ignored.
        while octets in (b"\r", b"\r\n"):
            more = self._first(idle_s)
            octets = octets + more if more else b""
        start = 2 if octets[:2] == b"\r\n" else 0
        self.idle_since_s = math.inf
        if (end := octets.find(END_OF_HEAD, start)) < 0 and octets:
            octets, end = self._rest(octets, start, limits, time.monotonic() + whole_s)
        if not octets:
            return None
        self._buffered = octets[end + 4 :]
        return octets[start : end + 4]

    def _first(self, idle_s: float) -> bytes:
        self.client.settimeout(idle_s)
        try:
            return self.client.recv(RECEIVE_BYTES)
        except TimeoutError:
            return b""

    def _rest(self, octets: bytes, start: int, limits: Limits, until_s: float) -> tuple[bytes, int]:
        """Return the octets up to and behind the end of the head, and where that is; b"" for a client that has gone."""
        while (end := octets.find(END_OF_HEAD, start)) < 0:
            refuse_hopeless(octets[start:], limits)
            self.client.settimeout(max(0.001, until_s - time.monotonic()))
            try:
                more = self.client.recv(RECEIVE_BYTES)
            except TimeoutError as late:
                raise RequestTimeout("The request head did not arrive in time.") from late
            if not more:
                return b"", -1
            octets += more
        return octets, end
