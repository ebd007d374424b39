"""The client's body as it arrives at the gateway's worker; `wsgi.input` there.

gunicorn's own reader waits until a read is filled, which holds up a slow upload, and takes the end of the
connection for the end of a body.
"""

from collections.abc import Iterator
from contextlib import suppress

from app.errors import ClientLeft, InvalidRequest, RequestTimeout
from app.framing import NOT_IN_TRAILERS, BodyDecoder, ChunkedDecoder, LengthDecoder, Malformed
from app.serving.head import RequestHead
from app.serving.incoming import Incoming

READ_BYTES = 64 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ArrivingBody:
    """A RequestBody on the client's socket that also is a WSGI input; see `app.exchange`.

    `fields` are the request's fields as parsed: names in capitals, repeats and underscores kept.
    `failed` tells the worker that where the next request would start is unknown.
    """

    def __init__(self, head: RequestHead, incoming: Incoming) -> None:
        self.fields = head.fields
        self.is_chunked = head.is_chunked
        self.length = head.length
        self.received = 0
        self.failed = False
        self._decoder: BodyDecoder = (
            ChunkedDecoder(NOT_IN_TRAILERS, checks_extensions=True)
            if head.is_chunked
            else LengthDecoder(head.length or 0)
        )
        self._client = incoming.client
        self._incoming = incoming
        self._expects_continue = head.expects_continue and not self.is_whole

    @property
    def is_whole(self) -> bool:
        return self._decoder.is_complete

    def arrived(self) -> bytes:
        if self.is_whole:
            return b""
        return self._decoded(self._incoming.take_buffered() or self._received_now())

    def pieces(self) -> Iterator[bytes]:
        if self._expects_continue:
            # Only now is the body wanted; earlier a refusal could spare the client the upload (RFC 9110 §10.1.1).
            self._expects_continue = False
            self._ask_for_it()
        while not self.is_whole:
            piece = self._decoded(self._incoming.take_buffered() or self._received())
            if piece:
                yield piece

    def _ask_for_it(self) -> None:
        try:
            self._client.sendall(CONTINUE)
        except ConnectionError as fault:
            raise self._left() from fault

    def stop(self) -> None:
        # A small body that is here already costs less to read than a new connection.
        if not self.is_whole and not self._expects_continue:
            with suppress(InvalidRequest):
                self.arrived()
        if not self.is_whole:
            self.failed = True

    def read(self, _size: int | None = None) -> bytes:
        """Return b"": for whom PEP 3333 promises a file; what reads a body here takes `pieces`."""
        return b""

    def _decoded(self, octets: bytes) -> bytes:
        """Return the body octets in these, leaving behind what belongs to the next request."""
        try:
            piece, rest = self._decoder.decode(octets)
            if self._decoder.fault is not None:
                raise self._decoder.fault
        except Malformed as fault:
            self.failed = True
            raise InvalidRequest("The chunked framing of the request body is broken.") from fault
        if rest:
            self._incoming.unread(rest)
        self.received += len(piece)
        return piece

    def _received_now(self) -> bytes:
        timeout_s = self._client.gettimeout()
        self._client.settimeout(0.0)
        try:
            return self._client.recv(self._room())
        except OSError:
            return b""
        finally:
            self._client.settimeout(timeout_s)

    def _received(self) -> bytes:
        try:
            octets = self._client.recv(self._room())
        except ConnectionError as fault:
            raise self._left() from fault
        except TimeoutError as late:
            self.failed = True
            raise RequestTimeout("The request body stopped arriving.") from late
        if not octets:
            raise self._left()
        return octets

    def _room(self) -> int:
        """Return how much to receive: not past a known end, where the next request begins."""
        return READ_BYTES if self.length is None else min(READ_BYTES, self.length - self.received)

    def _left(self) -> ClientLeft:
        self.failed = True
        return ClientLeft("the client closed its connection in mid-upload")
