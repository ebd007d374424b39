"""The client's body as it arrives at the gateway's gunicorn worker; `wsgi.input` there.

gunicorn's own reader waits until a read is filled, which holds up a slow upload, and takes the end of the
connection for the end of a body.
"""

import socket
from collections.abc import Iterator
from typing import Any

from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import NoMoreData, ParseException

from app.errors import ClientLeft, InvalidRequest

READ_BYTES = 64 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ArrivingBody:
    """A RequestBody on the client's socket that also is a WSGI input; see `app.exchange`.

    `fields` are the request's fields as parsed: names in capitals, repeats and underscores kept.
    `failed` tells gunicorn that where the next request would start is unknown.
    """

    def __init__(self, request: Any, client: socket.socket) -> None:
        reader = request.body.reader
        self.fields = request.headers
        self.is_chunked = isinstance(reader, ChunkedReader)
        has_length = any(name == "CONTENT-LENGTH" for name, _ in request.headers)
        self.length: int | None = reader.length if has_length else None
        self.received = 0
        self.is_whole = not self.is_chunked and not self.length
        self.failed = False
        self._request = request
        self._client = client
        self._unreader = request.unreader
        self._chunks: Iterator[bytes] = reader.parser if self.is_chunked else iter(())
        self._expects_continue = request._expected_100_continue and not self.is_whole

    def arrived(self) -> bytes:
        if self.is_whole or self.is_chunked:
            return b""
        octets = self._buffered() or self._received_now()
        self._count(octets)
        return octets

    def pieces(self) -> Iterator[bytes]:
        if self._expects_continue:
            # Only now is the body wanted; earlier a refusal could spare the client the upload (RFC 9110 §10.1.1).
            self._expects_continue = False
            self._client.sendall(CONTINUE)
        while not self.is_whole:
            piece = self._next_chunk() if self.is_chunked else self._next_octets()
            self._count(piece)
            if piece:
                yield piece

    def stop(self) -> None:
        # A small body that is here already costs less to read than a new connection.
        if not self.is_whole and not self.is_chunked and not self._expects_continue:
            self.arrived()
        if not self.is_whole:
            self.failed = True
            self._request.force_close()

    def read(self, _size: int | None = None) -> bytes:
        """Return b"": gunicorn looks here for what is unread before the next request, and `stop` left nothing."""
        return b""

    def _count(self, octets: bytes) -> None:
        self.received += len(octets)
        if not self.is_chunked and self.received == self.length:
            self.is_whole = True

    def _buffered(self) -> bytes:
        """Return what came along with the head, leaving behind what belongs to the next request."""
        buffered: bytes = self._unreader.take_buffered()
        missing = self._missing()
        if len(buffered) > missing:
            self._unreader.unread(buffered[missing:])
            buffered = buffered[:missing]
        return buffered

    def _received_now(self) -> bytes:
        timeout_s = self._client.gettimeout()
        self._client.settimeout(0.0)
        try:
            return self._client.recv(min(READ_BYTES, self._missing()))
        except OSError:
            return b""
        finally:
            self._client.settimeout(timeout_s)

    def _next_octets(self) -> bytes:
        octets = self._buffered() or self._client_sent()
        if not octets:
            raise self._left()
        return octets

    def _client_sent(self) -> bytes:
        try:
            return self._client.recv(min(READ_BYTES, self._missing()))
        except ConnectionError as fault:
            raise self._left() from fault

    def _next_chunk(self) -> bytes:
        try:
            piece = next(self._chunks, None)
        except ParseException as fault:
            self.failed = True
            self._request.force_close()
            raise InvalidRequest("The chunked framing of the request body is broken.") from fault
        except (NoMoreData, ConnectionError) as fault:
            raise self._left() from fault
        self.is_whole = piece is None
        return piece or b""

    def _missing(self) -> int:
        assert self.length is not None
        return self.length - self.received

    def _left(self) -> ClientLeft:
        self.failed = True
        return ClientLeft("the client closed its connection in mid-upload")
