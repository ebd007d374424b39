"""A model's call has a place at its upstream, from the call to the last frame."""

from __future__ import annotations

from collections import defaultdict

import pytest

from app.adapters.schema import CompletionRequest, Operation
from app.errors import InternalError, UpstreamOverloaded, UpstreamUnreachable
from app.relay.completion import Completion
from app.relay.model_choice import ModelChoice
from app.relay.room import Room
from app.relay.watch import DepartureWatch
from app.settings.gateway import AdapterTarget, Model
from tests.values import Upload, a_route, an_exchange


class Schema:
    """Asks for what the path says: "whole", "stream" or "count"."""

    def operation(self, remainder):
        return Operation(remainder)

    def understand(self, foreign):
        return CompletionRequest(
            foreign.body["model"],
            {},
            is_streaming=foreign.operation.name == "stream",
            counts_tokens=foreign.operation.name == "count",
        )

    def answer_fields(self, _request_id):
        return []

    def answer(self, completion, _request):
        if "fault" in completion:
            raise InternalError("The answer cannot be told.")
        return completion

    def token_count(self, tokens, _request):
        return {"tokens": tokens}

    def stream_type(self, _request):
        return "text/event-stream"

    def frames(self, chunks, _request):
        for chunk in chunks:
            yield chunk["text"].encode()


class Library:
    """Answers as the model's name says; keeps how many waited, and were open, while it was called."""

    def __init__(self, rooms):
        self.rooms = rooms
        self.seen = []

    def upstream(self, params):
        return params["api_base"]

    def is_taken(self, _name, _params):
        return True

    def is_reserved(self, name):
        return name == "api_base"

    def count_tokens(self, _params, _arguments):
        return 3

    def complete(self, arguments, params):
        self.seen.append(counts(self.rooms))
        if arguments["model"] == "dead":
            raise UpstreamUnreachable("Nobody there.")
        return {"fault": 1} if arguments["model"] == "odd" else {"text": "hi"}

    def chunks(self, _stream, params):
        self.seen.append(counts(self.rooms))
        if params["model"] == "odd":
            raise UpstreamUnreachable("It broke off.")
        yield from ({"text": "a"}, {"text": "b"})


def counts(rooms):
    return {name: (room._waiting, room._open) for name, room in rooms.items()}


@pytest.fixture
def rooms():
    return defaultdict(lambda: Room(most_waiting=1, most_open=2))


@pytest.fixture
def relay(rooms):
    models = [Model(name, {"model": name, "api_base": "here"}) for name in ("good", "dead", "odd")]
    models.append(Model("far", {"model": "good", "api_base": "there"}))
    completion = Completion(
        a_route(),
        AdapterTarget("t", Schema(), False),
        ModelChoice(models),
        Library(rooms),
        DepartureWatch(),
        rooms,
        None,
    )

    def relay(kind, model):
        body = b'{"model": "%b"}' % model.encode()
        return completion.relay(an_exchange("POST", body=Upload(body)), {}, kind)

    relay.library = completion._library
    return relay


def test_a_call_waits_until_its_answer_is_whole(relay, rooms):
    relay("whole", "good")

    assert relay.library.seen == [{"here": (1, 1)}]
    assert counts(rooms) == {"here": (0, 0)}


def test_a_stream_waits_until_its_first_frame_and_is_open_until_it_is_closed(relay, rooms):
    response = relay("stream", "good")
    begun = counts(rooms)

    frames = response.response
    read = list(frames)
    frames.close()
    frames.close()

    assert relay.library.seen == [{"here": (1, 1)}] * 2
    assert (begun, read, counts(rooms)) == ({"here": (0, 1)}, [b"a", b"b"], {"here": (0, 0)})


@pytest.mark.parametrize(
    ("kind", "model", "fault"),
    [
        ("whole", "dead", UpstreamUnreachable),
        ("whole", "odd", InternalError),
        ("stream", "dead", UpstreamUnreachable),
        ("stream", "odd", UpstreamUnreachable),
    ],
)
def test_a_call_that_fails_gives_its_place_back(relay, rooms, kind, model, fault):
    with pytest.raises(fault):
        relay(kind, model)

    assert counts(rooms) == {"here": (0, 0)}


@pytest.mark.parametrize("kind", ["whole", "stream"])
def test_one_too_many_is_refused_and_calls_nobody(relay, rooms, kind):
    rooms["here"].enter()

    with pytest.raises(UpstreamOverloaded):
        relay(kind, "good")

    assert relay.library.seen == []
    assert counts(rooms) == {"here": (1, 1)}


def test_another_upstream_has_room(relay, rooms):
    rooms["here"].enter()

    assert relay("whole", "far").json == {"text": "hi"}


def test_who_only_has_tokens_counted_needs_no_place(relay, rooms):
    rooms["here"].enter()

    assert relay("count", "good").json == {"tokens": 3}
