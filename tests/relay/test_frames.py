"""A stream's errors have a status until the first frame, and are said in the stream from then on."""

from __future__ import annotations

import logging

import pytest

from app.adapters.schema import CompletionRequest
from app.errors import ClientLeft, ServerStopping, StreamBroken, UpstreamUnreachable
from app.relay.frames import FrameStream
from app.relay.watch import DepartureWatch
from app.relay.watched import Departed, Watched
from tests.values import an_exchange, logged

REQUEST = CompletionRequest("m", {}, is_streaming=True)


class Schema:
    """Makes a frame of each chunk, and one to begin with where it is told to."""

    def __init__(self, opening=None):
        self._opening = opening

    def frames(self, chunks, request):
        if self._opening is not None:
            yield self._opening
        for chunk in chunks:
            yield chunk.encode()

    def broken(self, refusal, request, request_id, *, is_first):
        return f"{refusal.code} {request_id} {is_first}".encode()


class Stream:
    """What litellm gives; remembers whether it was let go."""

    is_closed = False

    def close(self):
        self.is_closed = True


def chunks(*given):
    for chunk in given:
        if isinstance(chunk, BaseException):
            raise chunk
        yield chunk


def begun(*given, schema=None):
    exchange, stream = an_exchange(), Stream()
    frames = FrameStream(exchange, schema or Schema(), REQUEST, stream, Watched(exchange, DepartureWatch()))
    try:
        frames.begin(chunks(*given), None)
    except BaseException as fault:
        fault.stream = stream
        raise
    return frames, exchange, stream


def test_every_chunk_is_a_frame():
    frames, exchange, stream = begun("a", "b")

    assert list(frames) == [b"a", b"b"]
    frames.close()
    assert (exchange.outcome, stream.is_closed) == (None, True)


@pytest.mark.parametrize("opening", [None, b"start"])
def test_an_early_error_has_its_status_even_if_the_schema_begins_by_itself(opening):
    with pytest.raises(UpstreamUnreachable) as raised:
        begun(UpstreamUnreachable("no"), schema=Schema(opening))

    assert raised.value.stream.is_closed


def test_a_late_error_is_the_last_frame():
    """AD-05."""
    frames, exchange, _ = begun("a", StreamBroken("broken"))

    assert list(frames) == [b"a", b"upstream_stream_broken id-1 False"]
    assert (exchange.outcome, exchange.reason) == ("upstream_failed", "upstream_stream_broken")


def test_an_error_of_an_adapters_own_ends_the_stream_and_is_logged():
    frames, exchange, _ = begun("a", ZeroDivisionError("adapter"))

    with logged("tollhouse", logging.ERROR) as records:
        assert list(frames) == [b"a", b"internal_error id-1 False"]

    assert (exchange.outcome, [record.exc_info[0] for record in records]) == ("refused", [ZeroDivisionError])


def test_a_server_that_stops_says_so_and_breaks_off():
    frames, exchange, _ = begun("a", ServerStopping("The gateway is stopping; try again."))

    assert [next(frames), next(frames)] == [b"a", b"server_stopping id-1 False"]
    with pytest.raises(ServerStopping):
        next(frames)
    assert exchange.outcome == "refused"


def test_a_client_that_leaves_gets_no_more():
    frames, exchange, stream = begun("a", Departed())

    assert next(frames) == b"a"
    with pytest.raises(ClientLeft):
        next(frames)
    frames.close()
    assert (exchange.outcome, stream.is_closed) == (None, True)


def test_a_stream_without_chunks_is_still_the_schemas():
    frames, _, _ = begun(schema=Schema(b"start"))

    assert list(frames) == [b"start"]
