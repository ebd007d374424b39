"""What the client sent, as it was sent: an Exchange out of a WSGI environ.

WSGI decodes the path and joins repeated fields. The raw forms come from the gateway's own gunicorn worker
where it runs, else from the environ as well as that can tell.
"""

import os
import time
from collections.abc import Iterator
from typing import Any

from flask import request

from app.errors import ClientLeft, InvalidRequest, RouteNotFound
from app.exchange import EXCHANGE, Exchange, RequestBody
from app.fields import Fields
from app.targets import HOST, has_dot_segment, split_request_target

Environ = dict[str, Any]

READ_BYTES = 64 * 1024


def open_exchange(environ: Environ) -> Exchange:
    """Return the Exchange for this request, and lay it into the environ.

    Routing then sees the raw path: `PATH_INFO` becomes the path as it stands in the request line, so that
    `%2F` stays apart from `/` and another spelling of a path is another path. Raises nothing: a request
    target that names no path gets an empty one, and `refuse_malformed` says why.
    """
    body: RequestBody = environ["wsgi.input"]
    if not hasattr(body, "pieces"):
        body = WsgiBody(environ)
    exchange = Exchange(
        request_id=os.urandom(16).hex(),
        started_s=time.perf_counter(),
        method=environ["REQUEST_METHOD"],
        request_target=environ.get("RAW_URI") or environ.get("REQUEST_URI") or _rebuilt_target(environ),
        fields=getattr(body, "fields", None) or _rebuilt_fields(environ),
        body=body,
        socket=environ.get("gunicorn.socket"),
        is_http_1_0=environ.get("SERVER_PROTOCOL") == "HTTP/1.0",
    )
    try:
        exchange.path, exchange.query = split_request_target(exchange.request_target)
    except ValueError:
        exchange.path = ""
    environ[EXCHANGE] = exchange
    environ["PATH_INFO"] = exchange.path
    environ["SCRIPT_NAME"] = ""
    # An offer to speak another protocol may be ignored (RFC 9110 §7.8); werkzeug would refuse a websocket's.
    environ.pop("HTTP_UPGRADE", None)
    return exchange


def current_exchange() -> Exchange:
    """Return the exchange of the request that flask is at."""
    # Asked for through the proxy, the environ would take six times as long.
    exchange: Exchange = request._get_current_object().environ[EXCHANGE]  # type: ignore[attr-defined]
    return exchange


def refuse_malformed(exchange: Exchange) -> None:
    """Raise InvalidRequest where the request target or Host breaks HTTP, or a path would climb.

    HTTP/1.1 asks for exactly one Host (RFC 9112 §3.2). Raises RouteNotFound for a path that begins with
    two slashes, which werkzeug would match as if it had one.
    """
    if not exchange.path:
        raise InvalidRequest("The request target names no path; send it as /path?query.")
    hosts = [value for name, value in exchange.fields if len(name) == 4 and name.lower() == "host"]
    if not hosts and not exchange.is_http_1_0:
        raise InvalidRequest("The Host header is missing.", param="Host")
    if len(hosts) > 1 or (hosts and HOST.fullmatch(hosts[0]) is None):
        raise InvalidRequest("The Host header is not one host name with an optional port.", param="Host")
    if has_dot_segment(exchange.path):
        raise InvalidRequest("The path has a dot segment; send it resolved.")
    if exchange.path.startswith("//"):
        raise RouteNotFound("No route has this path; it begins with two slashes.")


class WsgiBody:
    """A request body under a WSGI server that hands over only `wsgi.input`."""

    def __init__(self, environ: Environ) -> None:
        self._input = environ["wsgi.input"]
        length: str | None = environ.get("CONTENT_LENGTH")
        self.length = int(length) if length and length.isdecimal() else None
        self.is_chunked = environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked"
        self.is_whole = not self.is_chunked and not self.length
        self.received = 0

    def arrived(self) -> bytes:
        return b""

    def pieces(self) -> Iterator[bytes]:
        while not self.is_whole:
            missing = READ_BYTES if self.length is None else min(READ_BYTES, self.length - self.received)
            piece = self._input.read(missing)
            self.received += len(piece)
            if not piece and self.length is not None:
                raise ClientLeft("the client closed its connection in mid-upload")
            self.is_whole = not piece or self.received == self.length
            if piece:
                yield piece

    def stop(self) -> None:
        """Leave the rest to the server."""


def _rebuilt_target(environ: Environ) -> str:
    query = environ.get("QUERY_STRING")
    return str(environ.get("PATH_INFO", "/")) + (f"?{query}" if query else "")


def _rebuilt_fields(environ: Environ) -> Fields:
    fields = [(name[5:].replace("_", "-"), value) for name, value in environ.items() if name.startswith("HTTP_")]
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            fields.append((name.replace("_", "-"), environ[name]))
    return fields
