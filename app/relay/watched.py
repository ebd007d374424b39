"""Code of others that waits on behalf of a client, ended when the client leaves."""

import logging
from collections.abc import Callable
from contextvars import Context
from typing import ParamSpec, TypeVar

import gevent

from app.exchange import Exchange
from app.relay.watch import DepartureWatch, client_left

logger = logging.getLogger("tollhouse")

P = ParamSpec("P")
T = TypeVar("T")


class Departed(BaseException):
    """The client has left. Not an Exception: litellm catches every one, to log it, to map it or to try again."""


class Watched:
    """The watch over one exchange's client, from here to `end`."""

    def __init__(self, exchange: Exchange, watch: DepartureWatch) -> None:
        self._exchange_id = exchange.request_id
        self._client = exchange.socket
        self._watch = watch
        self._is_inside = False
        if self._client is not None:
            watch.begin(self._client, self._fault)

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the function returns; raises ClientLeft as soon as the client has left.

        The greenlet's context is the same afterwards: Flask keeps the request in it.
        """
        context = gevent.getcurrent().gr_context
        self._is_inside = True
        try:
            return function(*args, **kwargs)
        except Departed:
            raise client_left() from None
        finally:
            self._is_inside = False
            self._put_back(context)

    def end(self) -> None:
        if self._client is not None:
            self._watch.end(self._client)

    def _put_back(self, context: Context | None) -> None:
        """Return the greenlet to its context, should it have lost it.

        greenlet (3.5.6, on Python 3.11) saves a greenlet's context and only then makes an object of its frame, which
        may set the garbage collector off. `switch` and `throw` see to it that it does not; where a suspended greenlet
        ends because nobody holds it any more, a finalizer that waits costs the greenlet its context. To run the code
        in a copy would not help: `Context.run` refuses to end in another context, and leaves its caller there.
        """
        greenlet = gevent.getcurrent()
        if context is not None and greenlet.gr_context is not context:
            greenlet.gr_context = context
            logger.warning("the context of exchange %s was lost, and was put back", self._exchange_id)

    def _fault(self) -> BaseException:
        return Departed() if self._is_inside else client_left()
