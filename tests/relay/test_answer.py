"""A body is whole or it raises; its connection is passed on only where nothing else can be on it."""

import socket

import pytest

from app.errors import ClientLeft, UpstreamBroke
from app.framing import ChunkedDecoder, CloseDecoder, LengthDecoder
from app.relay.answer import UpstreamBody, idle_time_s
from app.relay.connection import Connection, Deadline
from app.relay.http1 import body_decoder, response_head
from app.relay.pool import IDLE_S
from tests.kit.upstream import head


class Reading:
    """A body being read, the upstream's end of its connection, and what was given back."""

    def __init__(self, decoder, buffered=b"", idle_s=5.0, total=None, keeps=True):
        ours, self.upstream = socket.socketpair()
        self.upstream.settimeout(5.0)
        self.connection = Connection(ours)
        self.connection.buffered = buffered
        self.kept = []
        keep = self.kept.append if keeps else None
        self.body = UpstreamBody(self.connection, decoder, idle_s, Deadline(total), keep)

    @property
    def is_closed(self):
        return self.connection.socket.fileno() == -1

    def close(self):
        self.connection.close()
        self.upstream.close()


@pytest.fixture
def reading():
    """Begin to read a body; see Reading."""
    begun = []

    def begin(*args, **more):
        begun.append(Reading(*args, **more))
        return begun[-1]

    yield begin
    for one in begun:
        one.close()


def test_octets_are_read_as_they_arrive(reading):
    it = reading(LengthDecoder(6))

    got = []
    for sent in (b"ab", b"c", b"def"):
        it.upstream.sendall(sent)
        got.append(it.body.read1())

    assert got == [b"ab", b"c", b"def"]
    assert (it.body.read1(), it.kept) == (b"", [it.connection])


def test_what_came_with_the_head_is_read_first(reading):
    it = reading(LengthDecoder(3), buffered=b"abc")

    assert it.body.arrived() == b"abc"
    assert (it.kept, it.connection.buffered) == ([it.connection], b"")


def test_a_body_of_which_nothing_is_here_is_not_waited_for(reading):
    it = reading(LengthDecoder(3))

    assert (it.body.arrived(), it.body.is_over) == (b"", False)


def test_who_need_not_wait_gets_nothing_where_nothing_is_here(reading):
    it = reading(LengthDecoder(6))
    it.body.leave_waiting()

    got = [it.body.read1()]
    for sent in (b"abc", b"def"):
        it.upstream.sendall(sent)
        got += [it.body.read1(), it.body.read1()]

    assert got == [b"", b"abc", b"", b"def", b""]
    assert (it.body.may_wait, it.kept) == (False, [it.connection])


def test_chunk_framing_is_no_piece_of_a_body(reading):
    it = reading(ChunkedDecoder())

    it.upstream.sendall(b"3\r\n")
    it.upstream.sendall(b"abc\r\n0\r\n\r\n")

    assert b"".join(iter(it.body.read1, b"")) == b"abc"
    assert it.kept == [it.connection]


def test_a_body_of_no_octets_is_over_at_once(reading):
    it = reading(LengthDecoder(0))

    assert (it.kept, it.body.read1(), it.body.is_over) == ([it.connection], b"", True)


@pytest.mark.parametrize(
    ("decoder", "octets", "body"),
    [
        pytest.param(LengthDecoder(0), b"illegal", b"", id="behind no body"),
        pytest.param(LengthDecoder(3), b"abcHTTP/1.1 200 OK", b"abc", id="behind the length"),
        pytest.param(ChunkedDecoder(), b"3\r\nabc\r\n0\r\n\r\nmore", b"abc", id="behind the last chunk"),
    ],
)
def test_octets_behind_a_body_end_its_connection(reading, decoder, octets, body):
    it = reading(decoder, buffered=octets)

    assert b"".join(iter(it.body.read1, b"")) == body
    assert (it.kept, it.is_closed) == ([], True)
    assert it.upstream.recv(1) == b""


def test_a_connection_that_may_not_be_kept_is_closed(reading):
    it = reading(LengthDecoder(3), buffered=b"abc", keeps=False)

    assert (it.body.read1(), it.body.read1(), it.is_closed) == (b"abc", b"", True)


def test_a_body_that_ends_with_its_connection_is_whole_then(reading):
    it = reading(CloseDecoder())
    it.upstream.sendall(b"abc")

    first = it.body.read1()
    it.upstream.close()

    assert (first, it.body.read1(), it.body.read1()) == (b"abc", b"", b"")
    assert (it.kept, it.is_closed) == ([], True)


@pytest.mark.parametrize(
    ("decoder", "octets"),
    [
        pytest.param(LengthDecoder(5), b"abc", id="short of the length"),
        pytest.param(ChunkedDecoder(), b"5\r\nabc", id="in a chunk"),
        pytest.param(ChunkedDecoder(), b"3\r\nabc\r\n", id="before the last chunk"),
        pytest.param(ChunkedDecoder(), b"3\r\nabc\r\n0\r\n", id="in the last chunk"),
    ],
)
def test_a_body_that_ends_early_is_broken_after_its_last_octet(reading, decoder, octets):
    it = reading(decoder)
    it.upstream.sendall(octets)
    it.upstream.close()

    assert it.body.read1() == b"abc"
    with pytest.raises(UpstreamBroke, match="in mid-body"):
        it.body.read1()
    assert (it.kept, it.is_closed) == ([], True)


def test_a_body_with_broken_framing_is_broken(reading):
    it = reading(ChunkedDecoder(), buffered=b"3\r\nabcdef")

    assert it.body.read1() == b"abc"
    with pytest.raises(UpstreamBroke, match="cannot be relayed"):
        it.body.read1()

    assert (it.kept, it.is_closed) == ([], True)


def test_a_reset_in_mid_body_is_broken():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    with ours:
        body = UpstreamBody(Connection(ours), CloseDecoder(), 5.0, Deadline(None), None)

        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        theirs.close()

        with pytest.raises(UpstreamBroke, match="lost"):
            body.read1()


@pytest.mark.parametrize(("idle_s", "total"), [(0.01, None), (5.0, 0.01)], ids=["idle", "total"])
def test_a_body_that_stalls_is_broken(reading, idle_s, total):
    it = reading(LengthDecoder(5), idle_s=idle_s, total=total)

    with pytest.raises(UpstreamBroke, match="stalled"):
        it.body.read1()

    assert it.upstream.recv(1) == b""


def test_a_client_that_leaves_while_a_body_is_read_is_told_as_such(reading):
    """It is thrown into the waiting greenlet, here from the first octet's decoding."""

    class Leaving(LengthDecoder):
        def decode(self, octets):
            raise ClientLeft("the client closed its connection")

    it = reading(Leaving(5), buffered=b"a")

    with pytest.raises(ClientLeft):
        it.body.read1()


def test_giving_a_body_up_closes_its_connection(reading):
    it = reading(LengthDecoder(5))

    it.body.close()
    it.body.close()

    assert (it.kept, it.upstream.recv(1), it.body.read1()) == ([], b"", b"")


def test_closing_a_body_that_was_read_leaves_its_connection_alone(reading):
    it = reading(LengthDecoder(3), buffered=b"abc")

    it.body.read1()
    it.body.close()

    assert (it.kept, it.is_closed) == ([it.connection], False)


@pytest.mark.parametrize(
    ("version", "fields", "idle_s"),
    [
        pytest.param(1, [("Content-Length", "3")], IDLE_S, id="nothing said"),
        pytest.param(1, [("Content-Length", "3"), ("Connection", "keep-alive")], IDLE_S, id="keep-alive"),
        pytest.param(1, [("Content-Length", "3"), ("Connection", "Close")], None, id="close"),
        pytest.param(1, [("Content-Length", "3"), ("Connection", "x, close")], None, id="close among others"),
        pytest.param(
            1, [("Content-Length", "3"), ("Connection", "x"), ("connection", "close")], None, id="second line"
        ),
        pytest.param(0, [("Content-Length", "3"), ("Connection", "keep-alive")], None, id="HTTP/1.0"),
        pytest.param(1, [], None, id="the body ends with the connection"),
        pytest.param(1, [("Content-Length", "3"), ("Keep-Alive", "timeout=5")], 4.0, id="5 s"),
        pytest.param(1, [("Content-Length", "3"), ("Keep-Alive", "timeout=5, max=100")], 4.0, id="5 s and more"),
        pytest.param(1, [("Content-Length", "3"), ("Keep-Alive", "max=100,timeout=5")], 4.0, id="more and 5 s"),
        pytest.param(1, [("Content-Length", "3"), ("Keep-Alive", "timeout=1")], 0.0, id="1 s"),
        pytest.param(1, [("Content-Length", "3"), ("Keep-Alive", "timeout=0")], 0.0, id="0 s"),
        pytest.param(1, [("Content-Length", "3"), ("Keep-Alive", "x-timeout=5")], IDLE_S, id="another word"),
    ],
)
def test_a_connection_is_kept_for_as_long_as_the_upstream_says(version, fields, idle_s):
    octets = head(200, fields).replace(b"HTTP/1.1", b"HTTP/1.%d" % version)
    upstream_head = response_head(octets)

    assert idle_time_s(upstream_head, body_decoder(upstream_head, "GET")) == idle_s
