"""Requests that gunicorn's parser could not read: answered in JSON, logged, never quoted."""

import json
import socket
import time
import uuid
from collections.abc import Callable
from contextlib import suppress

from gunicorn import SERVER
from gunicorn.http import errors as unreadable
from gunicorn.util import http_date

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
from app.parting import linger


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


def refuse_unread(client: socket.socket, refusal: Refusal, enter: Callable[[Exchange], None]) -> None:
    """Answer on a connection whose request could not be read, enter it in the ledger, and hang up gently."""
    exchange = Exchange(uuid.uuid4().hex, time.perf_counter(), "-", "", [], NoBody())
    exchange.status = refusal.status
    exchange.fail(Outcome.REFUSED, f"{refusal.code}: {refusal.message}", refusal.code)
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
    enter(exchange)
    linger(client)
