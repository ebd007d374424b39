"""Carries the exchanges of a URL route to their upstream and back, octet for octet."""

import time
from collections.abc import Mapping
from typing import cast

import requests
from flask import Response

from app.credentials import query_without_keys, without_keys
from app.errors import UpstreamBroke, UpstreamInvalidResponse
from app.exchange import Exchange, RequestBody
from app.headers import UpstreamFields, forwarding
from app.relay.delivery import Delivery, RelayedResponse
from app.relay.upload import BoundedUpload, too_large
from app.relay.upstream import UpstreamAdapter, UpstreamRequest, UpstreamResponse
from app.relay.watch import DepartureWatch
from app.settings.gateway import HttpTarget, Route
from app.targets import upstream_path, upstream_query

# Between two pieces of a request's body, where the route's own time-out is no shorter; as nginx's client_body_timeout.
UPLOAD_IDLE_S = 60.0


class Passthrough:
    """One route's way upstream; what does not change between exchanges is worked out once."""

    def __init__(
        self,
        route: Route,
        target: HttpTarget,
        session: requests.Session,
        watch: DepartureWatch,
        max_request_bytes: int | None,
    ) -> None:
        self._target = target
        self._timeouts = route.timeouts
        self._watch = watch
        self._max_request_bytes = max_request_bytes
        configured = [(name, value.get_secret_value()) for name, value in route.headers]
        hidden = frozenset({route.key_header} if route.key_header else ())
        self._fields = UpstreamFields(forwarding(route.forward_headers), configured, hidden)
        self._query = target.query.get_secret_value()
        self._defaults = [(name, value.get_secret_value()) for name, value in route.default_query_params]
        url = f"{target.scheme}://{target.authority}/"
        self._adapter = cast(UpstreamAdapter, session.get_adapter(url))

    def relay(self, exchange: Exchange, segments: Mapping[str, str], remainder: str) -> Response:
        """Return the upstream's answer, its body still on the way.

        `segments` are the raw values of the route's `{name}` parts, `remainder` is the raw path below the
        route's. Raises UpstreamError, RequestTooLarge, InvalidRequest or ClientLeft.
        """
        request = self._request(exchange, segments, remainder)
        if exchange.socket is not None:
            # A client that stops sending does not keep its slot, nor one that stops reading the answer.
            exchange.socket.settimeout(min(self._timeouts.idle_s, UPLOAD_IDLE_S))
            self._watch.begin(exchange.socket)
        began_s = time.perf_counter()
        try:
            response = self._adapter.send(request, timeout=self._timeouts)
            first = _arrived(response)
        except BaseException:
            self._end_watch(exchange)
            raise
        finally:
            exchange.first_byte_s = time.perf_counter()
            exchange.upstream_s = exchange.first_byte_s - began_s
        exchange.upstream_status = response.status_code
        if exchange.socket is not None:
            exchange.socket.settimeout(self._timeouts.idle_s)
        return RelayedResponse(exchange, response, Delivery(exchange, response, first, self._end_watch))

    def _request(self, exchange: Exchange, segments: Mapping[str, str], remainder: str) -> UpstreamRequest:
        path = upstream_path(self._target.path, segments, remainder)
        query = upstream_query(self._query, query_without_keys(exchange.query, exchange.keys_withheld), self._defaults)
        target = path if query is None else f"{path}?{query}"
        fields = self._fields.of(without_keys(exchange.fields, exchange.keys_withheld))
        return UpstreamRequest(exchange.method, self._target, target, fields, self._upload(exchange.body))

    def _upload(self, body: RequestBody) -> RequestBody:
        if self._max_request_bytes is None:
            return body
        if body.length is not None and body.length > self._max_request_bytes:
            raise too_large(self._max_request_bytes)
        return BoundedUpload(body, self._max_request_bytes) if body.is_chunked else body

    def _end_watch(self, exchange: Exchange) -> None:
        if exchange.socket is not None:
            self._watch.end(exchange.socket)


def _arrived(response: UpstreamResponse) -> bytes:
    """Return what of the body came along with the head; while nothing is sent, bad framing still makes a 502."""
    try:
        return response.raw.arrived()
    except UpstreamBroke as broken:
        raise UpstreamInvalidResponse("The upstream's response cannot be relayed: its framing is broken.") from broken
