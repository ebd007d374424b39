"""One request on one connection: sent once, and the head of its answer."""

from collections.abc import Callable
from typing import NoReturn, Protocol

from app.errors import GatewayError, UpstreamInvalidResponse, UpstreamTimeout, UpstreamUnreachable
from app.exchange import RequestBody
from app.fields import Fields
from app.framing import END_OF_HEAD, Beginning, BodyDecoder, Malformed
from app.relay.connection import Answered, Connection, Deadline, Origin
from app.relay.http1 import MAX_HEAD_BYTES, ResponseHead, body_decoder, request_head, response_head
from app.relay.pool import Pool
from app.settings.gateway import Timeouts

# More interim answers than any upstream has reason to send (RFC 9110 §15.2).
MAX_INTERIM = 32
HEAD_BEGINS = b"HTTP/1."
LAST_CHUNK = b"0\r\n\r\n"


class Request(Protocol):
    """What a call needs to know of a request."""

    method: str
    target: str
    authority: str
    fields: Fields
    origin: Origin
    upload: RequestBody


class Call:
    """Sends a request and reads the head of its answer: `send` first, then `answer`, once each.

    Whatever either raises, the connection is closed by then.
    """

    connection: Connection

    def __init__(self, request: Request, timeouts: Timeouts, pool: Pool) -> None:
        self.total = Deadline(timeouts.total_s)
        self.is_sent_whole = False
        self._is_ended = False
        self._request = request
        self._timeouts = timeouts
        self._pool = pool

    def send(self, dial: Callable[[float], Connection]) -> None:
        """Send head and body, the body as it arrives, on a pooled connection or a fresh one.

        Returns early when the upstream answers before it has everything. Raises UpstreamUnreachable,
        UpstreamTimeout, or what the upload raises; the upstream has nothing whole then.
        """
        upload = self._request.upload
        first = self._head() + self._framed(upload.arrived())
        sent = self._begin(first, dial)
        try:
            if sent < len(first):
                self.connection.send(first[sent:], self._wait_s())
            if not upload.is_whole:
                self._stream(upload)
            self.is_sent_whole = True
        except Answered:
            pass
        except BaseException as fault:
            if not _is_lost(fault):
                self.connection.close()
                _explain(fault)
            # The upstream hung up while it was being sent to. It may have said why: `answer` finds out.

    def answer(self) -> tuple[ResponseHead, BodyDecoder]:
        """Return the head of the final answer, and the decoder of the body that follows it.

        Interim answers (RFC 9110 §15.2) are read and dropped. Raises UpstreamUnreachable when the
        upstream hangs up without a word, UpstreamInvalidResponse and UpstreamTimeout.
        """
        try:
            head = self._final_head()
            return head, body_decoder(head, self._request.method)
        except BaseException as fault:
            self.connection.close()
            _explain(fault)

    def _head(self) -> bytes:
        request, upload = self._request, self._request.upload
        framing: Fields = []
        if upload.is_chunked:
            framing = [("Transfer-Encoding", "chunked")]
        elif upload.length is not None:
            framing = [("Content-Length", str(upload.length))]
        return request_head(request.method, request.target, request.authority, request.fields + framing)

    def _begin(self, first: bytes, dial: Callable[[float], Connection]) -> int:
        """Send the first octets, as many as the kernel takes, and return their number.

        A pooled connection that takes none was dead before the request began, so a fresh one is tried.
        Once an octet is gone the request may be processed, and is never sent again.
        """
        pooled = self._pool.take(self._request.origin)
        if pooled is not None:
            self.connection = pooled
            try:
                return pooled.send_some(first, self._wait_s())
            except BaseException as fault:
                pooled.close()
                if not _is_lost(fault):
                    _explain(fault)
        self.connection = self._dialled(dial)
        try:
            return self.connection.send_some(first, self._wait_s())
        except BaseException as fault:
            self.connection.close()
            _explain(fault)

    def _dialled(self, dial: Callable[[float], Connection]) -> Connection:
        try:
            return dial(self.total.within(self._timeouts.connect_s))
        except TimeoutError as late:
            _explain(late)

    def _stream(self, upload: RequestBody) -> None:
        with self.connection.interrupted_by_answer():
            for piece in upload.pieces():
                self.connection.send(self._framed(piece), self._wait_s())
            if upload.is_chunked and not self._is_ended:
                self.connection.send(self._framed(b""), self._wait_s())

    def _framed(self, piece: bytes) -> bytes:
        """Return the octets that carry this piece, and the last chunk as soon as there is nothing more."""
        upload = self._request.upload
        if not upload.is_chunked:
            return piece
        self._is_ended = upload.is_whole
        chunk = b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
        return chunk + LAST_CHUNK if self._is_ended else chunk

    def _final_head(self) -> ResponseHead:
        first_byte = Deadline(self._timeouts.first_byte_s)
        for _ in range(MAX_INTERIM):
            head = response_head(self._head_octets(first_byte))
            if head.status == 101:
                raise Malformed("it switches protocols, which nobody asked for")
            if head.status >= 200:
                return head
            _refuse_body(head)
        raise Malformed("it sends interim answers without end")

    def _head_octets(self, first_byte: Deadline) -> bytes:
        """Return the octets of one head; what came behind it stays buffered."""
        octets = self._received(first_byte)
        if not octets:
            raise ConnectionResetError
        if (end := octets.find(END_OF_HEAD)) < 0:
            octets, end = self._rest(octets, first_byte)
        self.connection.buffered = octets[end + 4 :]
        return octets[: end + 4]

    def _rest(self, octets: bytes, first_byte: Deadline) -> tuple[bytes, int]:
        """Return the octets up to and behind the end of a head that begins with these, and where that is."""
        beginning = Beginning()
        while (end := beginning.add(octets)) < 0:
            _refuse_hopeless(beginning.octets)
            octets = self._received(first_byte)
            if not octets:
                raise Malformed("it ends within its head")
        return bytes(beginning.octets), end

    def _received(self, first_byte: Deadline) -> bytes:
        return self.connection.receive(self.total.within(first_byte.within(self._timeouts.first_byte_s)))

    def _wait_s(self) -> float:
        return self.total.within(self._timeouts.idle_s)


def _refuse_body(interim: ResponseHead) -> None:
    """Raise Malformed for an interim answer that announces a body: it has none (RFC 9112 §6.1, RFC 9110 §8.6)."""
    if interim.values("transfer-encoding") or any(length != "0" for length in interim.values("content-length")):
        raise Malformed("an interim answer announces a body")


def _refuse_hopeless(octets: bytearray) -> None:
    """Raise Malformed for a beginning that no more octets can turn into a head: why wait for them?"""
    if not octets.startswith(HEAD_BEGINS[: len(octets)]):
        raise Malformed("it is not HTTP/1")
    if len(octets) > MAX_HEAD_BYTES:
        raise Malformed("its head is too long")


def _is_lost(fault: BaseException) -> bool:
    """Tell whether this is the upstream's connection going away, and not a time-out or the client."""
    return isinstance(fault, OSError) and not isinstance(fault, GatewayError | TimeoutError)


def _explain(fault: BaseException) -> NoReturn:
    """Raise the fault as one of the gateway's own."""
    if isinstance(fault, Malformed):
        raise UpstreamInvalidResponse(f"The upstream's response cannot be relayed: {fault}.") from fault
    if isinstance(fault, TimeoutError) and not isinstance(fault, GatewayError):
        raise UpstreamTimeout("The upstream did not answer in time; it may still do the work.") from fault
    if _is_lost(fault):
        raise UpstreamUnreachable("The upstream closed the connection before it answered.") from fault
    raise fault
