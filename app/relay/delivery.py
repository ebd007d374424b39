"""An upstream's answer on its way to the client."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from flask import Response

from app.dialects import error_event
from app.errors import ClientLeft, ServerStopping, StreamBroken, TransferBroken
from app.exchange import Exchange, Outcome
from app.fields import Fields
from app.headers import relayed_back
from app.parting import reset_on_close
from app.relay.answer import UpstreamBody
from app.relay.upstream import UpstreamResponse

STREAM_BROKEN = "The upstream's event stream broke off."


class Delivery:
    """The answer's body on its way to the client: pieces for one reader, which WSGI closes, whatever happens.

    Ends only when the upstream's body was whole; otherwise raises, which breaks the client's connection.
    """

    def __init__(
        self, exchange: Exchange, response: UpstreamResponse, first: bytes, end_watch: Callable[[Exchange], None]
    ) -> None:
        self._exchange = exchange
        self._body = response.raw
        self._end_watch = end_watch
        self._fields = response.fields
        self._first = first

    @property
    def source(self) -> UpstreamBody | None:
        """What a server may wait for by itself, where more is to come; a deadline is kept by who reads here."""
        return None if self._body.is_over or self._body.has_deadline else self._body

    def __iter__(self) -> Iterator[bytes]:
        tail = b"\n\n" + self._first
        try:
            # Nothing, too, is a piece: the head leaves with the first one, so it leaves at once.
            if self._first or not self._body.is_over:
                yield self._first
            while (piece := self._body.read1()) or not self._body.is_over:
                if piece:
                    tail = piece if len(piece) > 1 else tail[-1:] + piece
                yield piece
        except TransferBroken as broken:
            if last := self._last_words(broken, is_cut=not tail.endswith(b"\n\n")):
                yield last
            raise

    def close(self) -> None:
        self._end_watch(self._exchange)
        self._body.close()

    def _last_words(self, broken: TransferBroken, *, is_cut: bool) -> bytes:
        """Return an error event where the answer is an event stream, b"" where it is not, and for a client that left.

        An event that was cut is ended first: its data would swallow this event's otherwise.
        """
        if isinstance(broken, ClientLeft):
            return b""
        refusal = broken if isinstance(broken, ServerStopping) else StreamBroken(STREAM_BROKEN)
        outcome = Outcome.REFUSED if refusal is broken else Outcome.UPSTREAM_FAILED
        self._exchange.fail(outcome, str(broken.strerror), refusal.code)
        _abort_on_close(self._exchange)
        if not is_event_stream(self._fields):
            return b""
        event = error_event(refusal, self._exchange.error_format, self._exchange.request_id)
        return b"\n\n" + event if is_cut else event


class RelayedResponse(Response):
    """An answer that leaves as it came; werkzeug would rewrite Location and empty a 304's fields."""

    def __init__(self, exchange: Exchange, response: UpstreamResponse, delivery: Delivery) -> None:
        # Not super().__init__(): it makes fields of its own, which nobody here reads.
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
    return [*others, ("Content-Length", lengths[0].partition(",")[0].strip(" \t"))]


def _abort_on_close(exchange: Exchange) -> None:
    """Make the client see a reset where only the connection's end frames the body (HTTP/1.0, RFC 9112 §6.3)."""
    if exchange.socket is not None and exchange.is_http_1_0:
        reset_on_close(exchange.socket)
