"""The gunicorn worker of this gateway: gevent's, with the request as it came and errors as JSON.

gunicorn joins and renames header fields for WSGI, waits until a read is filled, asks for the body before the
application wants it, drains an unread body without end and answers unreadable requests in HTML, quoting them.
"""

import json
import socket
import struct
import time
import uuid
from contextlib import suppress
from typing import Any

import gevent
from gunicorn import SERVER
from gunicorn.http import errors as unreadable
from gunicorn.util import http_date
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.ggevent import GeventWorker

from app.arriving import ArrivingBody
from app.dialects import error_body, error_fields
from app.errors import (
    ExpectationFailed,
    HeadersTooLarge,
    InvalidRequest,
    Refusal,
    UnsupportedTransferCoding,
    UriTooLong,
)
from app.exchange import Exchange, NoBody, Outcome
from app.telemetry.exchange_log import log_exchange

MAX_HEAD_BYTES = 64 * 1024
# How long, and how much, an answered client may go on sending before its connection is cut: as in nginx's
# lingering_close, a close with unread octets would reset the connection and take the answer with it.
LINGER_S = 30.0
LINGER_IDLE_S = 5.0
ABORT = struct.pack("ii", 1, 0)  # SO_LINGER on, with no time


class GatewayWorker(GeventWorker):  # type: ignore[misc]
    """Serves the app; see the module."""

    def init_process(self) -> None:
        self.idle: dict[gevent.Greenlet, socket.socket] = {}
        super().init_process()

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        greenlet = gevent.getcurrent()
        self.idle[greenlet] = client
        try:
            super().handle(listener, client, addr)
        finally:
            self.idle.pop(greenlet, None)

    def handle_request(self, listener_name: Any, req: Any, sock: socket.socket, addr: Any) -> Any:
        if sum(len(name) + len(value) + 4 for name, value in req.headers) > MAX_HEAD_BYTES:
            raise unreadable.LimitRequestHeaders("limit request head size")
        if any(name == "TRANSFER-ENCODING" and value.lower() != "chunked" for name, value in req.headers):
            raise unreadable.UnsupportedTransferCoding("not chunked alone")
        body = ArrivingBody(req, sock)
        req.body = body
        # X_Y and X-Y are one name in the environ, and SCRIPT_NAME would move the path: neither goes there.
        req.headers = [field for field in req.headers if "_" not in field[0]]
        req._expected_100_continue = False
        self.idle.pop(gevent.getcurrent(), None)
        try:
            # Past GeventWorker, which takes a greenlet's end for the end of a request.
            return AsyncWorker.handle_request(self, listener_name, req, sock, addr)
        except (gevent.GreenletExit, SystemExit, TimeoutError):
            # The graceful time is over, or the client reads no more: what is unfinished must not look finished.
            reset(sock)
            raise StopIteration from None
        except StopIteration:
            if not body.is_whole:
                linger(sock)
            raise
        finally:
            sock.settimeout(None)
            self.idle[gevent.getcurrent()] = sock

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer a request that could not be read, or whose serving failed; never quote it."""
        if isinstance(exc, gevent.GreenletExit):
            return
        refusal = refusal_of(exc)
        if refusal is None:
            super().handle_error(req, client, addr, exc)
            return
        refuse_unread(client, refusal)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM: not ready from now on, and done with what runs."""
        super().handle_exit(sig, frame)
        with suppress(AttributeError):
            self.wsgi.extensions["readiness"].stop()

    def notify(self) -> None:
        """Runs each second; a worker that is stopping lets go of clients that have nothing in flight."""
        super().notify()
        if not self.alive:
            for greenlet, client in list(self.idle.items()):
                if is_silent(client):
                    greenlet.kill(block=False)


def refusal_of(fault: BaseException) -> Refusal | None:
    """Return the refusal for what gunicorn's parser found, or None for anything else."""
    if isinstance(fault, unreadable.LimitRequestLine):
        return UriTooLong("The request line is longer than 8190 octets.")
    if isinstance(fault, unreadable.LimitRequestHeaders):
        return HeadersTooLarge("The request head has over 100 fields, one over 8190 octets, or over 64 KiB in all.")
    if isinstance(fault, unreadable.UnsupportedTransferCoding):
        return UnsupportedTransferCoding("The only transfer coding taken is chunked.")
    if isinstance(fault, unreadable.ExpectationFailed):
        return ExpectationFailed("The only expectation met is 100-continue.")
    if isinstance(fault, unreadable.InvalidHTTPVersion):
        return InvalidRequest("The HTTP version is not 1.0 or 1.1.")
    if isinstance(fault, unreadable.ParseException):
        return InvalidRequest("The request breaks the grammar of HTTP/1.1 (RFC 9112).")
    return None


def refuse_unread(client: socket.socket, refusal: Refusal) -> None:
    """Answer on a connection whose request could not be read, log it, and hang up gently."""
    exchange = Exchange(uuid.uuid4().hex, time.perf_counter(), "-", "", [], NoBody())
    exchange.status = refusal.status
    exchange.fail(Outcome.REFUSED, f"{refusal.code}: {refusal.message}")
    body = json.dumps(error_body(refusal, "openai", exchange.request_id)).encode()
    fields = [
        *error_fields(refusal, "openai"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
        ("Date", http_date()),
        ("Server", SERVER),
        ("x-gateway-request-id", exchange.request_id),
    ]
    head = f"HTTP/1.1 {refusal.status_line}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields)
    with suppress(OSError):
        client.sendall(head.encode("latin-1") + b"\r\n" + body)
        exchange.bytes_out = len(body)
    log_exchange(exchange)
    linger(client)


def is_silent(client: socket.socket) -> bool:
    """Tell whether nothing of a next request has arrived."""
    timeout_s = client.gettimeout()
    client.settimeout(0.0)
    try:
        return not client.recv(1, socket.MSG_PEEK)
    except OSError:
        return True
    finally:
        client.settimeout(timeout_s)


def reset(client: socket.socket) -> None:
    """Close with RST, which no client takes for the end of an answer."""
    with suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        client.close()


def linger(client: socket.socket) -> None:
    """Say that no more comes, then throw away what the client still sends, for a bounded time."""
    with suppress(OSError), gevent.Timeout(LINGER_S, False):
        client.shutdown(socket.SHUT_WR)
        client.settimeout(LINGER_IDLE_S)
        while client.recv(64 * 1024):
            pass
