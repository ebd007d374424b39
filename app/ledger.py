"""Opens the exchange on arrival and closes it once, at the last octet.

The outermost layer: it sees relayed answers, refusals and the gateway's own pages alike, and gives
each its request id and its one line in the log.
"""

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from flask import Flask

from app.arrival import Environ, open_exchange
from app.dialects import error_answer
from app.errors import InternalError, ServerStopping, TransferBroken, UpstreamBroke
from app.exchange import Exchange, Outcome
from app.fields import Fields
from app.telemetry.exchange_log import log_exchange

logger = logging.getLogger("tollhouse")

StartResponse = Callable[..., Any]
Observe = Callable[[Exchange], None]
Announce = Callable[[Exchange, AbstractSet[str]], None]


OPENAI_LIMITS = "x-ratelimit-"


@dataclass(frozen=True, slots=True)
class Observers:
    """Who is told of every exchange, in this order; none of them may wait or raise."""

    opened: tuple[Observe, ...] = ()
    """It has arrived; its route and its key are not known yet."""
    answered: tuple[Announce, ...] = ()
    """Its answer begins, with these names of fields, in lower case."""
    closed: tuple[Observe, ...] = (log_exchange,)
    """It is over, its endings have been called, and all about it is known."""


LOG_ONLY = Observers()


def init_app(app: Flask, observers: Observers = LOG_ONLY) -> None:
    """Put the ledger in front of everything that the app does; the server finds it in the app's extensions."""
    app.extensions["ledger"] = ledger = Ledger(app.wsgi_app, observers)
    app.wsgi_app = ledger  # type: ignore[method-assign]


class Ledger:
    """WSGI middleware (PEP 3333) that owns an exchange's beginning and end."""

    def __init__(
        self, serve: Callable[[Environ, StartResponse], Iterable[bytes]], observers: Observers = LOG_ONLY
    ) -> None:
        self._serve = serve
        self._observers = observers

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        exchange = open_exchange(environ)
        self._open(exchange)

        def start(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Any:
            exchange.status = int(status[:3])
            # The answer is decided: what the client still uploads has no reader any more.
            exchange.body.stop()
            names = {name.lower() for name, _ in fields}
            for observe in self._observers.answered:
                observe(exchange, names)
            return start_response(status, [*fields, *_added(exchange, names)], exc_info)

        try:
            pieces = self._serve(environ, start)
        except BaseException as fault:
            if isinstance(fault, Exception) and not isinstance(fault, TransferBroken):
                # Flask turns its views' faults into answers; this one is its own, or a library's that upset it.
                logger.exception("exchange %s could not be served", exchange.request_id)
                return Entry(exchange, failed(exchange, start), self._close)
            exchange.fail(Outcome.REFUSED, type(fault).__name__, InternalError.code)
            self._close(exchange)
            raise
        return Entry(exchange, pieces, self._close)

    def enter(self, exchange: Exchange) -> None:
        """Take down an exchange that the server has answered by itself, as it could not read the request."""
        self._open(exchange)
        self._close(exchange)

    def _open(self, exchange: Exchange) -> None:
        for observe in self._observers.opened:
            observe(exchange)

    def _close(self, exchange: Exchange) -> None:
        for ending in exchange.endings:
            ending()
        for observe in self._observers.closed:
            observe(exchange)


def failed(exchange: Exchange, start: StartResponse) -> list[bytes]:
    """Answer with a 500 in the route's dialect; raises where an answer has begun already."""
    refusal = InternalError("The gateway failed; its log has the cause.")
    exchange.fail(Outcome.REFUSED, refusal.code, refusal.code)
    fields, body = error_answer(refusal, exchange.error_format, exchange.request_id)
    start(refusal.status_line, fields, sys.exc_info())
    return [body]


class Entry:
    """The answer's octets, counted; `close` is the one exit, also when the client has gone (PEP 3333)."""

    def __init__(self, exchange: Exchange, pieces: Iterable[bytes], end: Observe) -> None:
        self._exchange = exchange
        self._pieces = pieces
        self._close = getattr(pieces, "close", None)
        self._end = end
        self._is_open = True

    @property
    def source(self) -> Any:
        """What a server may wait for between two pieces (app/serving/pump.py), if there is such a thing."""
        return getattr(self._pieces, "source", None)

    def __iter__(self) -> Iterator[bytes]:
        exchange = self._exchange
        try:
            for piece in self._pieces:
                exchange.bytes_out += len(piece)
                yield piece
        except TransferBroken as broken:
            gone = Outcome.UPSTREAM_FAILED if isinstance(broken, UpstreamBroke) else Outcome.CLIENT_LEFT
            exchange.fail(gone, str(broken.strerror))
            raise
        exchange.outcome = exchange.outcome or Outcome.SERVED

    def close(self) -> None:
        try:
            if self._close is not None:
                self._close()
        finally:
            if self._is_open:
                self._is_open = False
                if self._exchange.outcome is None:
                    self._exchange.fail(*_unfinished())
                self._end(self._exchange)


def _unfinished() -> tuple[Outcome, str, str | None]:
    """Return how an exchange ends whose answer the server did not ask for to its end.

    That is for want of a client to write to, or for the exception that the server is handling while it closes.
    """
    fault = sys.exception()
    if isinstance(fault, ServerStopping):
        return Outcome.REFUSED, str(fault.strerror), fault.code
    if isinstance(fault, TimeoutError):
        return Outcome.CLIENT_LEFT, "the client stopped reading", None
    return Outcome.CLIENT_LEFT, "the client closed its connection", None


def _added(exchange: Exchange, taken: AbstractSet[str]) -> Fields:
    """Return what the gateway adds to an answer with fields of these names.

    The upstream's x-ratelimit fields stand alone: half of each side's numbers is true of neither. The members of
    RateLimit are named, so ours may stand beside others.
    """
    ours = exchange.answer_fields
    if ours and any(name.startswith(OPENAI_LIMITS) for name in taken):
        ours = [field for field in ours if not field[0].startswith(OPENAI_LIMITS)]
    return [*ours, ("x-gateway-request-id", exchange.request_id)]
