"""What arrives on a client's connection: one request head after the other, and what lies between them."""

import math
import socket
import ssl
import time

from app.errors import InvalidRequest, RequestTimeout
from app.framing import END_OF_HEAD, Beginning, Malformed
from app.readable import Readable
from app.serving.head import BROKEN, Limits, refuse_oversized

RECEIVE_BYTES = 16 * 1024
# From a connection's begin to the last octet of its first head, and from each other head's first octet to its last;
# as nginx's client_header_timeout.
WHOLE_HEAD_S = 60.0


class Incoming:
    """A client's connection with what has been received and not been read; owned by one greenlet."""

    def __init__(self, client: socket.socket, whole_s: float = WHOLE_HEAD_S) -> None:
        self.client = client
        self._buffered = b""
        self._whole_s = whole_s
        self._until_s: float | None = time.monotonic() + whole_s
        self._readable: Readable | None = None
        self._is_fresh = True
        self.idle_since_s = math.inf
        """When its last exchange ended, on the monotonic clock; no time while one is wanted, and before the first."""

    def take_buffered(self) -> bytes:
        """Return what was received already, and forget it."""
        octets, self._buffered = self._buffered, b""
        return octets

    def arrive(self, within_s: float) -> bytes:
        """Return what has arrived, leaving it for `head`; where that is nothing, wait for it, but no longer."""
        if not self._buffered:
            # A loop that was busy sees that the time is over first, and then what has come meanwhile.
            self._buffered = self._received(within_s) or self._received(0.001)
        return self._buffered

    def unread(self, octets: bytes) -> None:
        """Put back what belongs to the next request."""
        self._buffered = octets + self._buffered

    def head(self, idle_s: float, limits: Limits) -> bytes | None:
        """Return the octets of the next request head; None when the client has no other request.

        That is: it closed the connection, or sent nothing for `idle_s` after an answer, or in all the time that a
        connection has for its first head. Raises RequestTimeout where a head is begun and not whole in time, and the
        Refusal of what no more octets can turn into one.
        """
        octets = self.take_buffered() or self._first(idle_s)
        # RFC 9112 §2.2: one empty line in front of a request is ignored; it gives the request no more time.
        while octets in (b"\r", b"\r\n"):
            more = self._received(self._left_s())
            octets = octets + more if more else b""
        octets = octets.removeprefix(b"\r\n")
        self.idle_since_s = math.inf
        if (end := octets.find(END_OF_HEAD)) < 0 and octets:
            octets, end = self._rest(octets, limits)
        if not octets:
            return None
        self._until_s = None
        self._buffered = octets[end + 4 :]
        return octets[: end + 4]

    def _first(self, idle_s: float) -> bytes:
        """Return the first octets of a head; b"" where none come.

        After an answer a client mostly takes its time: to ask its empty socket first costs a system call and an
        exception. TLS keeps octets of its own behind the socket.
        """
        is_fresh, self._is_fresh = self._is_fresh, isinstance(self.client, ssl.SSLSocket)
        if not is_fresh:
            self._readable = self._readable or Readable(self.client)
            try:
                self._readable.wait(idle_s)
            except TimeoutError:
                return b""
        return self._received(idle_s if self._until_s is None else self._left_s())

    def _left_s(self) -> float:
        """Return how long the head under way may still take; its first octet has come, or it is the first head."""
        if self._until_s is None:
            self._until_s = time.monotonic() + self._whole_s
        return max(0.001, self._until_s - time.monotonic())

    def _received(self, timeout_s: float) -> bytes:
        self.client.settimeout(timeout_s)
        try:
            return self.client.recv(RECEIVE_BYTES)
        except TimeoutError:
            return b""

    def close(self) -> None:
        """Let go of the loop, before the socket is closed."""
        if self._readable is not None:
            self._readable.close()
            self._readable = None

    def _rest(self, octets: bytes, limits: Limits) -> tuple[bytes, int]:
        """Return the octets up to and behind the end of the head, and where that is; b"" for a client that has gone."""
        beginning = Beginning()
        try:
            while (end := beginning.add(octets)) < 0:
                refuse_oversized(beginning.octets, limits)
                self.client.settimeout(self._left_s())
                octets = self.client.recv(RECEIVE_BYTES)
                if not octets:
                    return b"", -1
        except Malformed as fault:
            raise InvalidRequest(BROKEN) from fault
        except TimeoutError as late:
            raise RequestTimeout("The request head did not arrive in time.") from late
        return bytes(beginning.octets), end
