"""Carries the exchanges of an adapter route to a model and back, through `litellm.completion`."""

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

from flask import Response

from app.adapters.litellm_library import plain
from app.adapters.schema import CompletionRequest, ForeignRequest
from app.credentials import query_without_keys
from app.errors import Refusal, RouteNotFound
from app.exchange import Exchange
from app.fields import Fields
from app.relay.arguments import Arguments, dropped_field
from app.relay.delivery import server_timing
from app.relay.frames import FrameStream
from app.relay.json_body import json_body
from app.relay.model_choice import ModelChoice, Params
from app.relay.room import Place, Room
from app.relay.watch import DepartureWatch
from app.relay.watched import Watched
from app.settings.gateway import AdapterTarget, Route

logger = logging.getLogger("tollhouse")

# A body is held whole here, and more than once while it is translated.
MAX_BODY_BYTES = 32 * 1024 * 1024


class Library(Protocol):
    """What the room needs of litellm; `app.adapters.litellm_library` has it."""

    def complete(self, arguments: Mapping[str, Any], params: Params) -> Any: ...

    def chunks(self, stream: Any, params: Params) -> Iterator[Any]: ...

    def count_tokens(self, params: Params, arguments: Mapping[str, Any]) -> int: ...

    def is_taken(self, name: str, params: Params) -> bool: ...

    def is_reserved(self, name: str) -> bool: ...

    def upstream(self, params: Params) -> str: ...


class Completion:
    """One adapter route's way to the models."""

    def __init__(
        self,
        route: Route,
        target: AdapterTarget,
        models: ModelChoice,
        library: Library,
        watch: DepartureWatch,
        rooms: Mapping[str, Room],
        max_request_bytes: int | None,
    ) -> None:
        """`rooms` has one for every upstream, whoever asks first."""
        self._schema = target.schema
        self._takes_litellms_own = target.takes_litellms_own
        self._models = models
        self._library = library
        self._watch = watch
        self._rooms = rooms
        self._idle_s = route.timeouts.idle_s
        self._arguments = Arguments(route, library)
        self._max_bytes = min(MAX_BODY_BYTES, max_request_bytes or MAX_BODY_BYTES)

    def relay(self, exchange: Exchange, segments: Mapping[str, str], remainder: str) -> Response:
        """Return the answer, whole or, where the client asked for a stream, with its first frame at hand.

        Raises InvalidRequest, RouteNotFound, ModelNotFound, RequestTooLarge, UpstreamOverloaded, UpstreamError or
        ClientLeft.
        """
        if exchange.socket is not None:
            # A client that stops sending, or stops reading the answer, does not keep its slot.
            exchange.socket.settimeout(self._idle_s)
        chosen = _Chosen(self._models)
        foreign = self._foreign(exchange, segments, remainder, chosen)
        request = self._schema.understand(foreign)
        params = chosen.params(request.model)
        arguments, dropped = self._arguments.of(request, params)
        fields = self._schema.answer_fields(exchange.request_id)
        if dropped:
            told = dropped_field(dropped)
            logger.debug("exchange %s: not carried over: %s", exchange.request_id, told)
            fields = [("x-gateway-dropped", told), *fields]
        if request.counts_tokens:
            tokens = self._library.count_tokens(params, arguments)
            return _json(self._schema.token_count(tokens, request), fields)
        place = Place(self._rooms[self._library.upstream(params)])
        call = _Call(exchange, request, arguments, params, place, Watched(exchange, self._watch))
        return self._streamed(call, fields) if request.is_streaming else self._whole(call, fields)

    def _foreign(
        self, exchange: Exchange, segments: Mapping[str, str], remainder: str, chosen: "_Chosen"
    ) -> ForeignRequest:
        operation = self._schema.operation(remainder)
        if operation is None:
            raise RouteNotFound("This adapter has nothing at this path.")
        named = {name: unquote(value) for name, value in segments.items()}
        query = query_without_keys(exchange.query, exchange.keys_withheld) or ""
        return ForeignRequest(
            replace(operation, path={**named, **operation.path}),
            json_body(exchange, self._max_bytes),
            dict(parse_qsl(query, keep_blank_values=True)),
            chosen.params,
        )

    def _whole(self, call: "_Call", fields: Fields) -> Response:
        try:
            completion = self._called(call)
        finally:
            call.end()
        answer = self._schema.answer(completion if self._takes_litellms_own else plain(completion), call.request)
        return _json(answer, [*fields, ("Server-Timing", server_timing(call.exchange))])

    def _streamed(self, call: "_Call", fields: Fields) -> Response:
        try:
            stream = self._called(call)
            convert = None if self._takes_litellms_own else plain
            frames = FrameStream(call.exchange, self._schema, call.request, stream, call.watched, call.place.leave)
            with _timed(call.exchange):
                frames.begin(self._library.chunks(stream, call.params), convert)
        except BaseException:
            call.end()
            raise
        call.place.answered()
        fields = [*fields, ("Cache-Control", "no-cache"), ("Server-Timing", server_timing(call.exchange))]
        head = [("Content-Type", self._schema.stream_type(call.request)), *fields]
        return Response(frames, headers=head, direct_passthrough=True)

    def _called(self, call: "_Call") -> Any:
        with _timed(call.exchange):
            answer = call.watched.call(self._library.complete, call.arguments, call.params)
        call.exchange.upstream_status = 200
        return answer


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of a model, ready to be made."""

    exchange: Exchange
    request: CompletionRequest
    arguments: dict[str, Any]
    params: Params
    place: Place
    watched: Watched

    def end(self) -> None:
        """Need the model no more, nor to know that the client leaves."""
        self.watched.end()
        self.place.leave()


class _Chosen:
    """The entry of `model_list` that serves one request: looked up once, so that it takes one turn."""

    def __init__(self, models: ModelChoice) -> None:
        self._models = models
        self._found: dict[str, Params] = {}

    def params(self, model: str) -> Params:
        if model not in self._found:
            self._found[model] = self._models.params(model)
        return self._found[model]


@contextmanager
def _timed(exchange: Exchange) -> Iterator[None]:
    """Count the time as the model's, and keep the status that its provider refused with."""
    began_s = time.perf_counter()
    try:
        yield
    except Refusal as refusal:
        exchange.upstream_status = getattr(refusal.__cause__, "status", None)
        raise
    finally:
        exchange.first_byte_s = time.perf_counter()
        exchange.upstream_s += exchange.first_byte_s - began_s


def _json(value: Any, fields: Fields) -> Response:
    return Response(json.dumps(value, separators=(",", ":")), headers=[("Content-Type", "application/json"), *fields])
