"""Requests that could not be read: answered in JSON, logged, never quoted."""

import json
import socket
import time
import uuid
from collections.abc import Callable
from contextlib import suppress

from gunicorn import SERVER
from gunicorn.util import http_date

from app.dialects import error_body, error_fields
from app.errors import Refusal
from app.exchange import Exchange, NoBody, Outcome
from app.parting import linger


def refuse_unread(client: socket.socket, refusal: Refusal, enter: Callable[[Exchange], None]) -> None:
    """Answer on a connection whose request could not be read, enter it in the ledger, and hang up gently."""
    exchange = Exchange(uuid.uuid4().hex, time.perf_counter(), "-", "", [], NoBody())
    exchange.status = refusal.status
    exchange.fail(Outcome.REFUSED, f"{refusal.code}: {refusal.message}", refusal.code)
    body = json.dumps(error_body(refusal, "openai", exchange.request_id)).encode()
    fields = [
        *error_fields(refusal, "openai", exchange.request_id),
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
