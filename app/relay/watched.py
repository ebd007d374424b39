"""Code of others that waits on behalf of a client, ended when the client leaves."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from app.exchange import Exchange
from app.relay.watch import DepartureWatch, client_left

P = ParamSpec("P")
T = TypeVar("T")


class Departed(BaseException):
    """The client has left. Not an Exception: litellm catches every one, to log it, to map it or to try again."""


class Watched:
    """The watch over one exchange's client, from here to `end`."""

    def __init__(self, exchange: Exchange, watch: DepartureWatch) -> None:
        self._client = exchange.socket
        self._watch = watch
        self._is_inside = False
        if self._client is not None:
            watch.begin(self._client, self._fault)

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the function returns; raises ClientLeft as soon as the client has left."""
        self._is_inside = True
        try:
            return function(*args, **kwargs)
        except Departed:
            raise client_left() from None
        finally:
            self._is_inside = False

    def end(self) -> None:
        if self._client is not None:
            self._watch.end(self._client)

    def _fault(self) -> BaseException:
        return Departed() if self._is_inside else client_left()
