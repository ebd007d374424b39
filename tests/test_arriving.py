"""The client's body behind its head: octets as they come, and never one of the next request."""

import contextlib
import itertools
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.arriving import CONTINUE, ArrivingBody
from app.errors import ClientLeft, InvalidRequest, RequestTimeout
from app.serving.head import Limits, request_head
from app.serving.incoming import Incoming
from tests.values import PROPERTY

HEAD = b"POST /plain HTTP/1.1\r\nHost: gateway.test\r\n"


@contextlib.contextmanager
def a_connection():
    """Yield (client's end, gateway's end) of a connection."""
    client, gateway = socket.socketpair()
    with client, gateway:
        client.settimeout(5.0)
        gateway.settimeout(5.0)
        yield client, gateway


@pytest.fixture
def ends():
    with a_connection() as both:
        yield both


def the_request(gateway):
    """Return (body, what arrives behind its head) once a head is here."""
    incoming = Incoming(gateway)
    head = request_head(incoming.head(5.0, Limits()), Limits())
    return ArrivingBody(head, incoming), incoming


def test_fields_keep_repeats_and_underscores(ends):
    client, gateway = ends
    client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nX_B: 1\r\nX-B: 2\r\nX-B: 3\r\n\r\n")

    body, _ = the_request(gateway)

    assert body.fields == [("HOST", "h"), ("X_B", "1"), ("X-B", "2"), ("X-B", "3")]


@pytest.mark.parametrize("field", [b"", b"Content-Length: 0\r\n"], ids=["no length", "length 0"])
def test_a_request_without_octets_is_whole_and_leaves_the_next_one_alone(ends, field):
    client, gateway = ends
    client.sendall(HEAD + field + b"\r\nGET /next")

    body, incoming = the_request(gateway)

    assert (body.is_whole, body.arrived(), list(body.pieces()), body.received) == (True, b"", [], 0)
    assert body.length == (0 if field else None)
    assert incoming.take_buffered() == b"GET /next"


def test_what_came_with_the_head_has_arrived(ends):
    client, gateway = ends
    client.sendall(HEAD + b"Content-Length: 5\r\n\r\nabcdeGET /next")

    body, incoming = the_request(gateway)

    assert (body.arrived(), body.is_whole, body.received) == (b"abcde", True, 5)
    assert list(body.pieces()) == []
    assert incoming.take_buffered() == b"GET /next"


def test_what_lies_in_the_socket_has_arrived_too(ends):
    client, gateway = ends
    client.sendall(HEAD + b"Content-Length: 5\r\n\r\n")
    body, _ = the_request(gateway)
    gateway.settimeout(5.0)
    client.sendall(b"abc")

    assert (body.arrived(), body.is_whole, body.received) == (b"abc", False, 3)
    assert body.arrived() == b""
    assert gateway.gettimeout() == 5.0


def test_pieces_come_as_they_arrive(ends):
    client, gateway = ends
    client.sendall(HEAD + b"Content-Length: 6\r\n\r\nab")
    body, _ = the_request(gateway)
    pieces = body.pieces()

    got = [next(pieces)]
    for sent in (b"c", b"def"):
        client.sendall(sent)
        got.append(next(pieces))

    assert got == [b"ab", b"c", b"def"]
    assert list(pieces) == []
    assert (body.is_whole, body.received) == (True, 6)


def test_octets_behind_the_length_stay_in_the_socket(ends):
    client, gateway = ends
    client.sendall(HEAD + b"Content-Length: 3\r\n\r\n")
    body, _ = the_request(gateway)
    client.sendall(b"abcGET /next")

    assert b"".join(body.pieces()) == b"abc"
    assert gateway.recv(100) == b"GET /next"


def test_chunks_come_without_their_framing(ends):
    client, gateway = ends
    client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\nGET /next")

    body, incoming = the_request(gateway)

    assert (body.is_chunked, body.length, body.is_whole) == (True, None, False)
    assert b"".join([body.arrived(), *body.pieces()]) == b"abcde"
    assert (body.is_whole, body.received, body.failed) == (True, 5, False)
    assert incoming.take_buffered() == b"GET /next"


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"0x5\r\nabcde\r\n0\r\n\r\n", id="0x"),
        pytest.param(b"-5\r\nabcde\r\n0\r\n\r\n", id="negative"),
        pytest.param(b"5\r\nabcdefgh\r\n0\r\n\r\n", id="longer than its size"),
        pytest.param(b"5;a\nb\r\nabcde\r\n0\r\n\r\n", id="bare LF in the extension"),
        pytest.param(b"\r\nabcde\r\n0\r\n\r\n", id="no size"),
        pytest.param(b"0\r\nContent-Length: 5\r\n\r\n", id="framing in the trailer"),
        pytest.param(b"3 \r\nabc\r\n0\r\n\r\n", id="space behind a size"),
    ],
)
def test_broken_chunks_are_an_invalid_request(ends, octets):
    client, gateway = ends
    client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + octets)
    body, _ = the_request(gateway)

    with pytest.raises(InvalidRequest):
        list(body.pieces())

    assert (body.is_whole, body.failed) == (False, True)


def test_a_client_that_stops_sending_runs_out_of_time(ends):
    client, gateway = ends
    client.sendall(HEAD + b"Content-Length: 9\r\n\r\nabc")
    body, _ = the_request(gateway)
    gateway.settimeout(0.01)

    with pytest.raises(RequestTimeout):
        list(body.pieces())

    assert (body.received, body.is_whole, body.failed) == (3, False, True)


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"Content-Length: 9\r\n\r\n", id="before the first octet"),
        pytest.param(b"Content-Length: 9\r\n\r\nabc", id="short of the length"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n9\r\nabc", id="in a chunk"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", id="before the last chunk"),
    ],
)
def test_a_client_that_breaks_off_has_left(ends, octets):
    client, gateway = ends
    client.sendall(HEAD + octets)
    body, _ = the_request(gateway)
    client.shutdown(socket.SHUT_WR)

    with pytest.raises(ClientLeft):
        list(body.pieces())

    assert (body.is_whole, body.failed) == (False, True)


def test_a_client_that_was_reset_has_left():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        gateway, _ = listener.accept()
    with gateway:
        gateway.settimeout(5.0)
        client.sendall(HEAD + b"Content-Length: 9\r\n\r\n")
        body, _ = the_request(gateway)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()

        with pytest.raises(ClientLeft):
            list(body.pieces())


def test_continue_is_said_when_the_body_is_first_wanted_and_once(ends):
    client, gateway = ends
    client.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    body, _ = the_request(gateway)
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.recv(1)
    client.settimeout(5.0)
    client.sendall(b"abc")

    pieces = list(body.pieces()) + list(body.pieces())

    assert pieces == [b"abc"]
    assert client.recv(100) == CONTINUE


@pytest.mark.parametrize(
    "octets",
    [b"Content-Length: 3\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"],
    ids=["known length", "chunked"],
)
def test_continue_is_not_said_where_the_body_came_along(ends, octets):
    client, gateway = ends
    client.sendall(HEAD + b"Expect: 100-continue\r\n" + octets)
    body, _ = the_request(gateway)

    assert (body.arrived(), body.is_whole) == (b"abc", True)
    gateway.shutdown(socket.SHUT_WR)
    assert client.recv(100) == b""


def test_a_client_gone_before_it_could_be_told_to_continue_has_left():
    client, gateway = socket.socketpair()
    with gateway:
        client.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        body, _ = the_request(gateway)
        client.close()

        with pytest.raises(ClientLeft):
            list(body.pieces())


def test_stopping_a_body_that_is_here_keeps_the_connection(ends):
    client, gateway = ends
    client.sendall(HEAD + b"Content-Length: 3\r\n\r\n")
    body, _ = the_request(gateway)
    client.sendall(b"abcGET /next")

    body.stop()

    assert (body.is_whole, body.failed) == (True, False)
    assert gateway.recv(100) == b"GET /next"


def test_stopping_chunks_that_are_all_here_keeps_the_connection(ends):
    client, gateway = ends
    client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /next")
    body, incoming = the_request(gateway)

    body.stop()

    assert (body.is_whole, body.failed) == (True, False)
    assert incoming.take_buffered() == b"GET /next"


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"Content-Length: 9\r\n\r\nabc", id="half here"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", id="half here, chunked"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", id="broken chunks"),
        pytest.param(b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", id="not asked for"),
    ],
)
def test_stopping_any_other_body_ends_the_connection(ends, octets):
    client, gateway = ends
    client.sendall(HEAD + octets)
    body, _ = the_request(gateway)

    body.stop()

    assert body.failed
    gateway.shutdown(socket.SHUT_WR)
    assert client.recv(100) == b""


def test_a_reader_of_files_finds_nothing(ends):
    client, gateway = ends
    client.sendall(HEAD + b"Content-Length: 3\r\n\r\nabc")
    body, _ = the_request(gateway)

    assert (body.read(8192), body.received) == (b"", 0)


@given(
    body=st.binary(max_size=300),
    cuts=st.lists(st.integers(0, 300), max_size=6),
    is_chunked=st.booleans(),
    behind=st.sampled_from([b"", b"GET /next HTTP/1.1\r\n\r\n"]),
)
@PROPERTY
def test_a_body_is_the_same_however_it_is_cut(body, cuts, is_chunked, behind):
    octets = HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    if is_chunked:
        halves = [half for half in (body[:7], body[7:]) if half]
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(half), half) for half in halves)
        octets = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    octets += behind
    edges = [0, *sorted(min(cut, len(octets)) for cut in cuts), len(octets)]

    with a_connection() as (client, gateway):

        def send():
            for begin, end in itertools.pairwise(edges):
                client.sendall(octets[begin:end])
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        arriving, incoming = the_request(gateway)
        received = arriving.arrived() + b"".join(arriving.pieces())
        sender.join()
        rest = incoming.take_buffered() + b"".join(iter(lambda: gateway.recv(4096), b""))

    assert (received, arriving.received, arriving.is_whole) == (body, len(body), True)
    assert rest == behind
