"""Requests that could not be read: answered in JSON, logged, never quoted."""

import socket
import time
import uuid
from collections.abc import Callable
from contextlib import suppress

from app.dialects import error_answer
from app.errors import Refusal
from app.exchange import Exchange, NoBody, Outcome
from app.parting import linger
from app.serving.answer import Answer
from app.serving.head import RequestHead

# Of a request that could not be read nothing is known; its answer is one to HTTP/1.1, and the last.
UNREAD = RequestHead("-", "", 1, [])


def refuse_unread(
    client: socket.socket,
    refusal: Refusal,
    enter: Callable[[Exchange], None],
    part: Callable[[socket.socket], None] = linger,
) -> None:
    """Answer on a connection whose request could not be read, enter it in the ledger, and hang up gently: `part`."""
    exchange = Exchange(uuid.uuid4().hex, time.perf_counter(), "-", "", [], NoBody())
    exchange.status = refusal.status
    exchange.fail(Outcome.REFUSED, f"{refusal.code}: {refusal.message}", refusal.code)
    fields, body = error_answer(refusal, "openai", exchange.request_id)
    answer = Answer(client, UNREAD, lambda: False)
    answer.start_response(refusal.status_line, [*fields, ("x-gateway-request-id", exchange.request_id)])
    with suppress(OSError):
        answer.write(body)
        exchange.bytes_out = len(body)
    enter(exchange)
    part(client)
