"""Opens the exchange on arrival and closes it once, at the last octet.

The outermost layer: it sees relayed answers, refusals and the gateway's own pages alike, and gives
each its request id and its one line in the log.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask import Flask

from app.arrival import Environ, open_exchange
from app.errors import TransferBroken, UpstreamBroke
from app.exchange import Exchange, Outcome
from app.fields import Fields
from app.telemetry.exchange_log import log_exchange

StartResponse = Callable[..., Any]


def init_app(app: Flask) -> None:
    """Put the ledger in front of everything that the app does."""
    app.wsgi_app = Ledger(app.wsgi_app)  # type: ignore[method-assign]


class Ledger:
    """WSGI middleware (PEP 3333) that owns an exchange's beginning and end."""

    def __init__(self, serve: Callable[[Environ, StartResponse], Iterable[bytes]]) -> None:
        self._serve = serve

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        exchange = open_exchange(environ)

        def start(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Any:
            exchange.status = int(status[:3])
            # The answer is decided: what the client still uploads has no reader any more.
            exchange.body.stop()
            return start_response(status, [*fields, *_added(exchange, fields)], exc_info)

        try:
            pieces = self._serve(environ, start)
        except BaseException as fault:
            exchange.fail(Outcome.REFUSED, type(fault).__name__)
            _end(exchange)
            raise
        return Entry(exchange, pieces)


class Entry:
    """The answer's octets, counted; `close` is the one exit, also when the client has gone (PEP 3333)."""

    def __init__(self, exchange: Exchange, pieces: Iterable[bytes]) -> None:
        self._exchange = exchange
        self._pieces = iter(pieces)
        self._close = getattr(pieces, "close", None)
        self._is_open = True

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        exchange = self._exchange
        try:
            piece = next(self._pieces)
        except StopIteration:
            exchange.outcome = exchange.outcome or Outcome.SERVED
            raise
        except TransferBroken as broken:
            gone = Outcome.UPSTREAM_FAILED if isinstance(broken, UpstreamBroke) else Outcome.CLIENT_LEFT
            exchange.fail(gone, str(broken.strerror))
            raise
        exchange.bytes_out += len(piece)
        return piece

    def close(self) -> None:
        try:
            if self._close is not None:
                self._close()
        finally:
            if self._is_open:
                self._is_open = False
                # The server stops asking for pieces before the end only when it cannot write them.
                self._exchange.fail(Outcome.CLIENT_LEFT, "the client closed its connection")
                _end(self._exchange)


def _added(exchange: Exchange, fields: Fields) -> Fields:
    """Return what the gateway adds to an answer with these fields; the upstream's own word on limits stands."""
    taken = {name.lower() for name, _ in fields}
    told = [field for field in exchange.answer_fields if field[0].lower() not in taken]
    return [*told, ("x-gateway-request-id", exchange.request_id)]


def _end(exchange: Exchange) -> None:
    for ending in exchange.endings:
        ending()
    log_exchange(exchange)
