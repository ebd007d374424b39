"""Carries the exchanges of a URL route to their upstream and back, octet for octet."""

import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import requests
from flask import Response

from app.credentials import query_without_keys, without_keys
from app.dialects import error_event
from app.errors import ClientLeft, RequestTooLarge, StreamBroken, TransferBroken
from app.exchange import Exchange, Outcome, RequestBody
from app.fields import Fields
from app.headers import forwarding, relayed_back, upstream_fields
from app.relay.upstream import UpstreamAdapter, UpstreamRequest, UpstreamResponse
from app.relay.watch import DepartureWatch
from app.settings.gateway import Route
from app.targets import upstream_path, upstream_query

# SO_LINGER on with no time: close() sends RST, so that a body framed by its end is seen to be cut.
ABORT = struct.pack("ii", 1, 0)


class Passthrough:
    """One route's way upstream; what does not change between exchanges is worked out once."""

    def __init__(
        self, route: Route, session: requests.Session, watch: DepartureWatch, max_request_bytes: int | None
    ) -> None:
        self._target = route.target
        self._timeouts = route.timeouts
        self._watch = watch
        self._max_request_bytes = max_request_bytes
        self._hidden = frozenset({route.key_header} if route.key_header else ())
        self._forwards = forwarding(route.forward_headers)
        self._configured = [(name, value.get_secret_value()) for name, value in route.headers]
        self._query = route.target.query.get_secret_value()
        self._defaults = [(name, value.get_secret_value()) for name, value in route.default_query_params]
        url = f"{route.target.scheme}://{route.target.authority}/"
        self._adapter = cast(UpstreamAdapter, session.get_adapter(url))

    def relay(self, exchange: Exchange, segments: Mapping[str, str], remainder: str) -> Response:
        """Return the upstream's answer, its body still on the way.

        `segments` are the raw values of the route's `{name}` parts, `remainder` is the raw path below the
        route's. Raises UpstreamError, RequestTooLarge, InvalidRequest or ClientLeft.
        """
        request = self._request(exchange, segments, remainder)
        if exchange.socket is not None:
            # A client that stops sending, or stops reading the answer, does not keep its slot.
            exchange.socket.settimeout(self._timeouts.idle_s)
            self._watch.begin(exchange.socket)
        began_s = time.perf_counter()
        try:
            response = self._adapter.send(request, timeout=self._timeouts)
        except BaseException:
            self._end_watch(exchange)
            raise
        finally:
            exchange.first_byte_s = time.perf_counter()
            exchange.upstream_s = exchange.first_byte_s - began_s
        exchange.upstream_status = response.status_code
        return RelayedResponse(exchange, response, Delivery(exchange, response, self._end_watch))

    def _request(self, exchange: Exchange, segments: Mapping[str, str], remainder: str) -> UpstreamRequest:
        path = upstream_path(self._target.path, segments, remainder)
        query = upstream_query(self._query, query_without_keys(exchange.query, exchange.keys_withheld), self._defaults)
        target = path if query is None else f"{path}?{query}"
        client_fields = without_keys(exchange.fields, exchange.keys_withheld)
        fields = upstream_fields(client_fields, self._forwards, self._configured, self._hidden)
        return UpstreamRequest(exchange.method, self._target, target, fields, self._upload(exchange.body))

    def _upload(self, body: RequestBody) -> RequestBody:
        if self._max_request_bytes is None:
            return body
        if body.length is not None and body.length > self._max_request_bytes:
            raise _too_large(self._max_request_bytes)
        return BoundedUpload(body, self._max_request_bytes) if body.is_chunked else body

    def _end_watch(self, exchange: Exchange) -> None:
        if exchange.socket is not None:
            self._watch.end(exchange.socket)


class BoundedUpload:
    """A chunked upload that is refused at the octet that makes it too large."""

    def __init__(self, body: RequestBody, max_bytes: int) -> None:
        self.length: int | None = None
        self.is_chunked = True
        self._body = body
        self._max_bytes = max_bytes

    @property
    def is_whole(self) -> bool:
        return self._body.is_whole

    @property
    def received(self) -> int:
        return self._body.received

    def arrived(self) -> bytes:
        return self._within_bounds(self._body.arrived())

    def pieces(self) -> Iterator[bytes]:
        return map(self._within_bounds, self._body.pieces())

    def _within_bounds(self, piece: bytes) -> bytes:
        if self._body.received > self._max_bytes:
            raise _too_large(self._max_bytes)
        return piece

    def stop(self) -> None:
        self._body.stop()


class Delivery:
    """The answer's body on its way to the client: an iterator that WSGI closes, whatever happens.

    Ends only when the upstream's body was whole; otherwise raises, which breaks the client's connection.
    """

    def __init__(self, exchange: Exchange, response: UpstreamResponse, end_watch: Callable[[Exchange], None]) -> None:
        self._exchange = exchange
        self._body = response.raw
        self._end_watch = end_watch
        self._is_event_stream = is_event_stream(response.fields)
        self._tail = b"\n\n"
        self._broken: TransferBroken | None = None
        self._has_begun = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._broken is not None:
            raise self._broken
        if not self._has_begun:
            self._has_begun = True
            if not self._body.has_arrived:
                # The head leaves at once: gunicorn sends it with the first piece, empty or not.
                return b""
        try:
            piece = self._body.read1()
        except TransferBroken as broken:
            return self._last_words(broken)
        if not piece:
            raise StopIteration
        if self._is_event_stream:
            self._tail = (self._tail + piece[-2:])[-2:]
        return piece

    def close(self) -> None:
        self._end_watch(self._exchange)
        self._body.close()

    def _last_words(self, broken: TransferBroken) -> bytes:
        """Return an error event where the answer is an event stream; raise where it is not."""
        if isinstance(broken, ClientLeft):
            raise broken
        self._exchange.fail(Outcome.UPSTREAM_FAILED, str(broken.strerror))
        _abort_on_close(self._exchange)
        if not self._is_event_stream:
            raise broken
        self._broken = broken
        refusal = StreamBroken("The upstream's event stream broke off.")
        event = error_event(refusal, self._exchange.error_format, self._exchange.request_id)
        # An event that was cut is ended first: its data would swallow this event's otherwise.
        return event if self._tail == b"\n\n" else b"\n\n" + event


class RelayedResponse(Response):
    """An answer that leaves as it came; werkzeug would rewrite Location and empty a 304's fields."""

    def __init__(self, exchange: Exchange, response: UpstreamResponse, delivery: Delivery) -> None:
        super().__init__(delivery, direct_passthrough=True)
        self._status_line = f"{response.status_code} {response.reason}"
        self._fields = [*relayed_back(_one_length(response.fields)), ("Server-Timing", server_timing(exchange))]
        self._delivery = delivery

    def __call__(self, environ: Any, start_response: Any) -> Delivery:  # noqa: ARG002
        start_response(self._status_line, self._fields)
        return self._delivery


def is_event_stream(fields: Fields) -> bool:
    """Tell whether these are the fields of an event stream to which an event can be appended as it is."""
    named = {name.lower(): value.lower() for name, value in fields}
    is_plain = named.get("content-encoding", "identity") == "identity" and "content-length" not in named
    return is_plain and named.get("content-type", "").partition(";")[0].strip() == "text/event-stream"


def server_timing(exchange: Exchange) -> str:
    """Return the value of Server-Timing (W3C): the gateway's and the upstream's milliseconds up to the head."""
    gateway_s = time.perf_counter() - exchange.started_s - exchange.upstream_s
    return f"gw;dur={gateway_s * 1000:.2f}, up;dur={exchange.upstream_s * 1000:.2f}"


def _one_length(fields: Fields) -> Fields:
    """Return the fields with repeated, equal lengths as one (RFC 9110 §8.6 asks a forwarder for that)."""
    lengths = [value for name, value in fields if name.lower() == "content-length"]
    if not lengths or (len(lengths) == 1 and lengths[0].isdigit()):
        return fields
    others = [field for field in fields if field[0].lower() != "content-length"]
    return [*others, ("Content-Length", lengths[0].partition(",")[0].strip())]


def _too_large(max_bytes: int) -> RequestTooLarge:
    return RequestTooLarge(f"The request body is larger than the {max_bytes} octets this gateway takes.")


def _abort_on_close(exchange: Exchange) -> None:
    """Make the client see a reset where only the connection's end frames the body (HTTP/1.0, RFC 9112 §6.3)."""
    if exchange.socket is not None and exchange.is_http_1_0:
        exchange.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
