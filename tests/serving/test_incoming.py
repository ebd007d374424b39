"""One head after the other comes off a connection, whatever pieces it arrives in."""

import itertools
import math
import socket
from dataclasses import dataclass

import gevent
import pytest
from gevent import socket as gevent_socket
from hypothesis import given
from hypothesis import strategies as st

from app.errors import HeadersTooLarge, InvalidRequest, RequestTimeout, UriTooLong
from app.serving.head import Limits
from app.serving.incoming import Incoming
from tests.values import PROPERTY

HEAD = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
LIMITS = Limits()


@dataclass
class Clock:
    now_s: float = 0.0

    def monotonic(self):
        return self.now_s


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by a second with each wait for octets of a client that has it."""
    clock = Clock()
    monkeypatch.setattr("app.serving.incoming.time", clock)
    return clock


class Client:
    """The gateway's end of a connection whose octets arrive in the pieces given; then it is closed, or silent."""

    def __init__(self, *pieces, is_silent=False, clock=None):
        self.pieces = list(pieces)
        self.is_silent = is_silent
        self.clock = clock or Clock()
        self.waits = []

    def settimeout(self, timeout_s):
        self.waits.append(timeout_s)

    def recv(self, _most):
        self.clock.now_s += 1.0
        if not self.pieces and self.is_silent:
            raise TimeoutError
        return self.pieces.pop(0) if self.pieces else b""


def test_heads_come_one_after_the_other():
    incoming = Incoming(Client(HEAD + HEAD + b"GET /th", b"ird HTTP/1.1\r\n\r\nrest"))

    heads = [incoming.head(1.0, LIMITS) for _ in range(3)]

    assert heads == [HEAD, HEAD, b"GET /third HTTP/1.1\r\n\r\n"]
    assert incoming.take_buffered() == b"rest"


@pytest.fixture
def ends():
    """Both ends of a kept connection: (what comes in, the client's socket) after a first head."""
    ours, theirs = gevent_socket.socketpair()
    incoming = Incoming(ours)
    with ours, theirs:
        theirs.sendall(HEAD)
        assert incoming.head(5.0, LIMITS) == HEAD
        yield incoming, theirs
        incoming.close()


def test_the_next_head_is_waited_for(ends):
    incoming, theirs = ends
    gevent.spawn_later(0, theirs.sendall, HEAD)

    assert incoming.head(5.0, LIMITS) == HEAD


def test_a_head_that_is_here_already_is_read(ends):
    incoming, theirs = ends
    theirs.sendall(HEAD)

    assert incoming.head(5.0, LIMITS) == HEAD


def test_a_kept_client_that_asks_no_more_is_let_go(ends):
    incoming, _ = ends

    assert incoming.head(0.001, LIMITS) is None


def test_a_kept_client_that_closes_has_no_other_request(ends):
    incoming, theirs = ends
    theirs.close()

    assert incoming.head(5.0, LIMITS) is None


@given(cuts=st.lists(st.integers(0, 60), max_size=8), is_late=st.booleans())
@PROPERTY
def test_a_head_is_the_same_however_it_is_cut(cuts, is_late):
    octets = (b"\r\n" if is_late else b"") + HEAD + b"body"
    edges = [0, *sorted(min(cut, len(octets)) for cut in cuts), len(octets)]
    pieces = [octets[begin:end] for begin, end in itertools.pairwise(edges) if begin < end]
    client = Client(*pieces)
    incoming = Incoming(client)

    head = incoming.head(1.0, LIMITS)

    assert head == HEAD
    assert incoming.take_buffered() + b"".join(client.pieces) == b"body"


@pytest.mark.parametrize("sent", [[], [b"\r\n"], [b"GET / HT"], [HEAD[:-2]]], ids=["nothing", "CRLF", "a bit", "most"])
def test_a_client_that_closes_has_no_other_request(sent):
    assert Incoming(Client(*sent)).head(1.0, LIMITS) is None


def test_a_silent_client_has_no_other_request():
    client = Client(is_silent=True)

    assert Incoming(client, whole_s=60.0).head(95.0, LIMITS) is None
    assert [59.0 < wait <= 60.0 for wait in client.waits] == [True]


def test_a_head_that_does_not_get_whole_is_a_timeout():
    with pytest.raises(RequestTimeout):
        Incoming(Client(b"GET / HTTP/1.1\r\n", is_silent=True), whole_s=5.0).head(95.0, LIMITS)


@pytest.mark.parametrize("drops", [[b"G", b"E", b"T"], [b"\r", b"\n", b"G"]], ids=["head", "empty line"])
def test_a_dripping_client_has_one_deadline_for_the_whole_head(drops, clock):
    client = Client(*drops, is_silent=True, clock=clock)

    with pytest.raises(RequestTimeout):
        Incoming(client, whole_s=5.0).head(95.0, LIMITS)

    assert client.waits == [5.0, 4.0, 3.0, 2.0]


def test_a_head_behind_another_has_its_time_from_its_first_octet(clock):
    client = Client(HEAD + b"\r", b"\n", b"G", is_silent=True, clock=clock)
    incoming = Incoming(client, whole_s=5.0)
    incoming.head(95.0, LIMITS)

    with pytest.raises(RequestTimeout):
        incoming.head(95.0, LIMITS)

    assert client.waits == [5.0, 5.0, 4.0, 3.0]


@pytest.mark.parametrize("drops", [[], [b"\r"], [b"\r\n"], [b"\r", b"\n"]], ids=["nothing", "CR", "CRLF", "CR, LF"])
def test_a_client_that_asks_nothing_is_let_go_when_its_time_for_a_head_is_over(drops, clock):
    client = Client(*drops, is_silent=True, clock=clock)

    assert Incoming(client, whole_s=5.0).head(95.0, LIMITS) is None

    assert client.waits == [5.0, 4.0, 3.0][: len(drops) + 1]


@pytest.mark.parametrize(
    ("pieces", "refusal"),
    [
        ([b"GET / HTTP/1.1\n"], InvalidRequest),
        ([b"GET /" + b"a" * 5000, b"a" * 5000], UriTooLong),
        ([b"GET / HTTP/1.1\r\n", *[b"X: " + b"a" * 5000 + b"\r\n"] * 20], HeadersTooLarge),
    ],
)
def test_a_hopeless_head_is_refused_before_it_is_whole(pieces, refusal):
    client = Client(*pieces, is_silent=True)

    with pytest.raises(refusal):
        Incoming(client).head(1.0, LIMITS)


def test_what_was_read_too_far_can_be_put_back():
    client, gateway = socket.socketpair()
    with client, gateway:
        client.sendall(HEAD + b"abc")
        incoming = Incoming(gateway)
        incoming.head(5.0, LIMITS)

        octets = incoming.take_buffered()
        incoming.unread(octets[1:])

        assert (octets, incoming.take_buffered()) == (b"abc", b"bc")


def test_a_client_counts_as_idle_only_between_its_exchanges():
    """Else a worker that is stopping would close a connection whose request is on the way."""
    incoming = Incoming(Client(HEAD))
    before_the_first = incoming.idle_since_s
    incoming.idle_since_s = 1.0  # the worker's, once an exchange is over

    incoming.head(1.0, LIMITS)

    assert (before_the_first, incoming.idle_since_s) == (math.inf, math.inf)
