"""A model's stream on its way to the client, in the frames of the client's schema."""

import logging
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from app.adapters.litellm_library import close
from app.adapters.schema import CompletionRequest, Schema
from app.errors import ClientLeft, InternalError, Refusal, ServerStopping
from app.exchange import Exchange, Outcome
from app.relay.watched import Watched

logger = logging.getLogger("tollhouse")


class FrameStream:
    """An iterator over frames that WSGI closes, whatever happens. A stream that breaks ends in the schema's way."""

    def __init__(
        self,
        exchange: Exchange,
        schema: Schema,
        request: CompletionRequest,
        stream: Any,
        watched: Watched,
        leave: Callable[[], None] = lambda: None,
    ) -> None:
        """`leave` is called, once or more, when the exchange needs the model no more."""
        self._exchange = exchange
        self._schema = schema
        self._request = request
        self._stream = stream
        self._watched = watched
        self._leave = leave
        self._frames: Iterator[bytes] = iter(())
        self._first: bytes | None = None
        self._is_first = True
        self._is_over = False
        self._stopping: ServerStopping | None = None

    def begin(self, chunks: Iterator[Any], convert: Callable[[Any], Any] | None) -> None:
        """Wait for the first frame: until then an error still has a status. Raises what the model's side raises."""
        try:
            # The chunk by itself, since a schema may have a frame to send before it asks for any.
            first = self._watched.call(next, chunks, None)
            whole = chunks if first is None else chain([first], chunks)
            self._frames = self._schema.frames(map(convert, whole) if convert else whole, self._request)
            self._first = self._watched.call(next, self._frames, None)
        except BaseException:
            close(self._stream)
            raise

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        first, self._first = self._first, None
        if first is not None:
            self._is_first = False
            return first
        if self._stopping is not None:
            raise self._stopping
        if self._is_over:
            raise StopIteration
        return self._next_frame()

    def close(self) -> None:
        self._watched.end()
        self._leave()
        close(self._stream)

    def _next_frame(self) -> bytes:
        try:
            frame = self._watched.call(next, self._frames)
        except (StopIteration, ClientLeft):
            raise
        except Exception as fault:  # the status is spent: all that is left is to say it in the stream
            return self._last_words(fault)
        self._is_first = False
        return frame

    def _last_words(self, fault: Exception) -> bytes:
        """Return the frame that ends the stream badly, and let it end."""
        self._is_over = True
        exchange = self._exchange
        if isinstance(fault, ServerStopping):
            self._stopping = fault
            exchange.fail(Outcome.REFUSED, str(fault.strerror), fault.code)
        elif isinstance(fault, Refusal):
            exchange.fail(Outcome.UPSTREAM_FAILED, f"{fault.code}: {fault.__cause__ or fault.message}", fault.code)
        else:
            logger.error("fault in the stream of exchange %s", exchange.request_id, exc_info=fault)
            exchange.fail(Outcome.REFUSED, f"{InternalError.code}: {type(fault).__name__}", InternalError.code)
        refusal = fault if isinstance(fault, Refusal) else InternalError("The gateway failed in mid-stream.")
        return self._schema.broken(refusal, self._request, exchange.request_id, is_first=self._is_first)
