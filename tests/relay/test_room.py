"""One upstream holds no more exchanges than it has room for."""

import ssl

import pytest

from app.errors import UpstreamOverloaded, UpstreamTimeout
from app.relay.room import Place, Room
from app.relay.upstream import UpstreamAdapter
from app.settings.gateway import Timeouts
from tests.kit.upstream import SILENCE, answer, chunk, head

CHUNKED = ("Transfer-Encoding", "chunked")


def full(room):
    with pytest.raises(UpstreamOverloaded) as refused:
        room.enter()
    return refused.value


def has_room(room):
    """Tell whether another may enter, who then has entered."""
    try:
        room.enter()
    except UpstreamOverloaded:
        return False
    return True


def test_one_too_many_is_told_at_once_when_to_come_again():
    room = Room(most_waiting=2)
    room.enter()
    room.enter()

    refusal = full(room)

    assert (refusal.status, refusal.code) == (503, "upstream_overloaded")
    assert refusal.fields() == [("Retry-After", "1")]


def test_five_thousand_streams_opened_at_once_are_a_healthy_burst():
    room = Room()

    assert all(has_room(room) for _ in range(5_000))


def test_an_answer_that_has_begun_makes_room_for_another_who_waits():
    room = Room(most_waiting=1, most_open=2)
    room.enter()

    room.answered()

    assert has_room(room)
    room.answered()
    assert not has_room(room)


def test_an_exchange_that_is_over_makes_room():
    room = Room(most_waiting=2, most_open=1)
    room.enter()
    room.answered()

    room.leave()

    assert has_room(room)


def test_an_exchange_that_fails_makes_room():
    room = Room(most_waiting=1, most_open=1)
    room.enter()

    room.gave_up()

    assert has_room(room)


def counts(adapter):
    return {origin.host: (room._waiting, room._open) for origin, room in adapter._rooms.items()}


def test_a_place_is_kept_until_the_answer_is_read(adapter, send, read, upstream):
    upstream.plays(head(200, [CHUNKED]), chunk(b"one"), chunk(b""))

    response = send()
    while_open = counts(adapter)
    read(response)

    assert while_open == {"127.0.0.1": (0, 1)}
    assert counts(adapter) == {"127.0.0.1": (0, 0)}


@pytest.mark.parametrize("answered", [answer(200), answer(204), head(200, [("Content-Length", "9")]) + b"half"])
def test_a_place_is_given_back_once(adapter, send, upstream, answered):
    upstream.plays(answered)

    response = send()
    response.raw.close()
    response.raw.close()

    assert counts(adapter) == {"127.0.0.1": (0, 0)}


def test_a_place_is_given_back_when_no_answer_comes(adapter, send, upstream):
    upstream.plays(SILENCE)

    with pytest.raises(UpstreamTimeout):
        send(timeouts=Timeouts(first_byte_s=0.05))

    assert counts(adapter) == {"127.0.0.1": (0, 0)}


def test_upstreams_have_rooms_of_their_own():
    adapter = UpstreamAdapter(ssl.create_default_context)

    assert adapter._rooms["a"] is not adapter._rooms["b"]
    adapter.close()


def test_a_place_that_waits_is_given_back_once():
    room = Room(most_waiting=1)
    place = Place(room)
    full(room)

    place.leave()
    place.leave()

    assert (room._waiting, room._open) == (0, 0)


def test_a_place_whose_answer_began_is_given_back_once():
    room = Room(most_waiting=1, most_open=2)
    place = Place(room)

    place.answered()
    while_open = room._waiting, room._open
    place.leave()
    place.leave()

    assert (while_open, room._waiting, room._open) == ((0, 1), 0, 0)
