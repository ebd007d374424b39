"""A request is sent once, as given; the first final head that comes back is its answer."""

import re
import socket
import threading
from copy import deepcopy

import gevent
import pytest
from gevent import event
from gevent import socket as gevent_socket

from app.errors import ClientLeft, InvalidRequest, UpstreamInvalidResponse, UpstreamTimeout, UpstreamUnreachable
from app.exchange import NoBody
from app.relay.call import MAX_INTERIM, Call
from app.relay.connection import Connection, Origin
from app.relay.http1 import MAX_HEAD_BYTES
from app.relay.pool import Pool
from app.relay.upstream import UpstreamRequest
from app.settings.gateway import Timeouts
from app.settings.urls import http_target
from tests.kit.upstream import BODY, FIN, SILENCE, answer, chunk, head, wait
from tests.values import QUICK, Upload


class Caller:
    """Makes calls on connections of gevent's sockets, whose waits let the loop run, as in the worker."""

    def __init__(self, port):
        self.leads_to = http_target(f"http://127.0.0.1:{port}")
        self.pool = Pool()
        self.origin = Origin("http", "127.0.0.1", port)
        self.dialled = []

    def dial(self, _timeout_s=None):
        self.dialled.append(Connection(gevent_socket.create_connection(self.origin[1:])))
        return self.dialled[-1]

    def call(self, method="GET", target="/plain", fields=(), upload=None, timeouts=QUICK):
        request = UpstreamRequest(method, self.leads_to, target, list(fields), upload or NoBody())
        return Call(request, timeouts, self.pool)

    def sent(self, *request, **more):
        """Return a call that was sent."""
        call = self.call(*request, **more)
        with gevent.Timeout(5.0, AssertionError("sending never ends")):
            call.send(self.dial)
        return call

    def close(self):
        for connection in self.dialled:
            connection.close()
        self.pool.close()


@pytest.fixture
def caller(upstream):
    caller = Caller(upstream.port)
    yield caller
    caller.close()


def is_closed(connection):
    return connection.socket.fileno() == -1


def test_a_request_without_a_body_has_no_framing(caller, upstream):
    call = caller.sent("GET", "/a%2Fb?x", [("X-A", "1"), ("X-a", "2")])

    upstream_head, decoder = call.answer()
    (seen,) = upstream.requests
    assert seen.connection.raw == (
        b"GET /a%%2Fb?x HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-A: 1\r\nX-a: 2\r\n\r\n" % upstream.port
    )
    assert (upstream_head.status, decoder.missing, call.is_sent_whole) == (200, 12, True)


@pytest.mark.parametrize(
    ("upload", "framing", "body"),
    [
        pytest.param(Upload(length=0), b"Content-Length: 0\r\n\r\n", b"", id="of length 0"),
        pytest.param(Upload(b"ab", b"cde", length=5), b"Content-Length: 5\r\n\r\nabcde", b"abcde", id="known"),
        pytest.param(Upload(b"cde", length=5, arrived=b"ab"), b"Content-Length: 5\r\n\r\nabcde", b"abcde", id="begun"),
        pytest.param(Upload(length=2, arrived=b"ab"), b"Content-Length: 2\r\n\r\nab", b"ab", id="all here"),
        pytest.param(
            Upload(b"ab", b"cde"),
            b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n",
            b"abcde",
            id="chunked",
        ),
        pytest.param(
            Upload(b"cde", arrived=b"ab"),
            b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n",
            b"abcde",
            id="chunked, begun",
        ),
        pytest.param(
            Upload(arrived=b"ab"),
            b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
            b"ab",
            id="chunked, all here",
        ),
        pytest.param(Upload(), b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"", id="chunked, of nothing"),
        pytest.param(
            Upload(b"", b"ab", b""),
            b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
            b"ab",
            id="chunked, empty pieces",
        ),
    ],
)
def test_a_body_keeps_its_kind_of_framing_and_its_octets(caller, upstream, upload, framing, body):
    call = caller.sent("POST", upload=deepcopy(upload))

    call.answer()
    seen = upstream.wait_for_request()
    assert seen.connection.raw.partition(b"\r\n")[2].partition(b"\r\n")[2] == framing
    assert (bytes(seen.body), seen.whole, call.is_sent_whole) == (body, True, True)


def test_a_body_larger_than_any_buffer_is_sent_whole(caller, upstream):
    pieces = [bytes([number]) * 1_000_000 for number in range(8)]

    call = caller.sent("POST", upload=Upload(*pieces, length=8_000_000))

    assert call.answer()[0].status == 200
    assert (upstream.wait_for_request().body_bytes, call.is_sent_whole) == (8_000_000, True)


class Waiting(Upload):
    """An upload whose client sends its pieces and then waits for an answer; it ends only by an interruption."""

    def pieces(self):
        yield from super().pieces()
        with gevent.Timeout(5.0, AssertionError("the upload was not ended")):
            event.Event().wait()

    @property
    def is_whole(self):
        return False


@pytest.mark.parametrize("upload", [Waiting(b"abc"), Waiting(b"abc", length=10)], ids=["chunked", "known length"])
def test_an_early_answer_ends_the_upload(caller, upstream, upload):
    upstream.plays_unread(answer(413, body=b"too much"), SILENCE)

    call = caller.sent("POST", upload=deepcopy(upload))

    assert call.answer()[0].status == 413
    assert not call.is_sent_whole
    assert call.connection.buffered == b"too much"


def test_an_upstream_that_answers_and_hangs_up_in_mid_upload_is_heard(caller, upstream):
    upstream.plays_unread(answer(401, [("Connection", "close")], b"who are you"), FIN)

    call = caller.sent("POST", upload=Waiting(b"abc"))

    assert call.answer()[0].status == 401


def test_an_upstream_that_only_hangs_up_in_mid_upload_is_unreachable(caller, upstream):
    upstream.plays_unread(FIN)
    call = caller.sent("POST", upload=Waiting(b"abc"))

    with pytest.raises(UpstreamUnreachable):
        call.answer()

    assert is_closed(call.connection)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "fault", [ClientLeft("the client closed its connection"), InvalidRequest("broken chunks")], ids=["left", "broken"]
)
@pytest.mark.parametrize("length", [None, 10], ids=["chunked", "known length"])
def test_an_upload_that_fails_is_never_whole_upstream(caller, upstream, fault, length):
    with pytest.raises(type(fault)):
        caller.sent("POST", upload=Upload(b"abc", fault, length=length))

    seen = upstream.wait_for_request()
    seen.wait_until_finished()
    assert (bytes(seen.body), seen.whole) == (b"abc", False)
    assert [is_closed(connection) for connection in caller.dialled] == [True]


@pytest.mark.parametrize("interim", [b"HTTP/1.1 100 Continue\r\n\r\n", head(103, [("Link", "</x>")]), head(199) * 5])
def test_interim_answers_are_dropped(caller, upstream, interim):
    upstream.plays(interim, answer(201, body=b"final"))

    call = caller.sent()

    assert call.answer()[0].status == 201
    assert call.connection.receive(5.0) == b"final"


@pytest.mark.parametrize("framing", [("Transfer-Encoding", "chunked"), ("Content-Length", "5")])
def test_interim_answer_that_announces_a_body_is_no_answer(caller, upstream, framing):
    """It has none; a reader who believes it takes the final answer for its body."""
    upstream.plays(head(103, [framing]), answer(200))

    with pytest.raises(UpstreamInvalidResponse, match="announces a body"):
        caller.sent().answer()
    assert [is_closed(connection) for connection in caller.dialled] == [True]


def test_interim_answers_without_end_are_no_answer(caller, upstream):
    upstream.plays(head(102) * MAX_INTERIM, answer(200))

    with pytest.raises(UpstreamInvalidResponse, match="without end"):
        caller.sent().answer()


def test_a_head_may_come_octet_by_octet(caller, upstream):
    octets = answer(201, [("X-A", "1")], b"b")
    upstream.plays(*(octets[at : at + 1] for at in range(len(octets))))

    upstream_head, _ = caller.sent().answer()

    assert (upstream_head.status, upstream_head.fields) == (201, [("X-A", "1"), ("Content-Length", "1")])


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        pytest.param(b"SSH-2.0-OpenSSH\r\n", "not HTTP/1", id="another protocol"),
        pytest.param(b"\x15\x03\x01\x00\x02\x02\x50", "not HTTP/1", id="a TLS alert"),
        pytest.param(b"HTTP/2 200\r\n\r\n", "not HTTP/1", id="HTTP/2"),
        pytest.param(b"<html>no head</html>", "not HTTP/1", id="HTTP/0.9"),
        pytest.param(head(101, [("Upgrade", "x")]), "switches protocols", id="101"),
        pytest.param(b"HTTP/1.1 200 OK\nX-A: 1\n\n", "does not end in CRLF", id="bare LF"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-A: 1\rX-B: 2\r\n\r\n", "grammar", id="bare CR"),
        pytest.param(head(200, [("X-A", "a" * MAX_HEAD_BYTES)])[:-2], "too long", id="a head without end"),
        pytest.param(b"HTTP/1.1 999999 OK\r\n\r\n", "status line", id="a status of six digits"),
        pytest.param(head(200, [("Content-Length", "1"), ("Transfer-Encoding", "chunked")]), "both", id="two framings"),
    ],
)
def test_what_cannot_be_relayed_safely_is_an_invalid_response(caller, upstream, octets, why):
    upstream.plays(octets, SILENCE)
    call = caller.sent()

    with pytest.raises(UpstreamInvalidResponse, match=why):
        call.answer()

    assert is_closed(call.connection)
    assert len(upstream.requests) == 1


def test_a_head_that_breaks_off_is_an_invalid_response(caller, upstream):
    upstream.plays(b"HTTP/1.1 200 OK\r\nX-A", FIN)

    with pytest.raises(UpstreamInvalidResponse, match="within its head"):
        caller.sent().answer()


def test_an_upstream_that_hangs_up_without_a_word_is_asked_once(caller, upstream):
    upstream.plays(FIN)
    call = caller.sent("POST", upload=Upload(b"abc", length=3))

    with pytest.raises(UpstreamUnreachable):
        call.answer()

    assert [bytes(seen.body) for seen in upstream.requests] == [b"abc"]
    assert len(caller.dialled) == 1


@pytest.mark.parametrize(
    "timeouts",
    [Timeouts(first_byte_s=0.02), Timeouts(total_s=0.02), Timeouts(first_byte_s=5.0, idle_s=9.0, total_s=0.02)],
    ids=["first byte", "total", "total before first byte"],
)
def test_an_answer_that_does_not_come_in_time_is_a_timeout(caller, upstream, timeouts):
    upstream.plays(SILENCE)
    call = caller.sent(timeouts=timeouts)

    with pytest.raises(UpstreamTimeout):
        call.answer()

    assert is_closed(call.connection)
    assert upstream.wait_for_request().connection.ended.wait(10)


def test_a_head_that_trickles_is_given_the_time_of_the_first_byte_in_all(caller, upstream):
    upstream.plays(b"HTTP/1.1 200 OK\r\n", SILENCE)

    with pytest.raises(UpstreamTimeout):
        caller.sent(timeouts=Timeouts(first_byte_s=0.02)).answer()


def test_an_upstream_that_takes_no_octets_is_a_timeout(caller, upstream):
    over = threading.Event()
    upstream.plays_unread(wait(over))

    with pytest.raises(UpstreamTimeout):
        caller.sent("POST", upload=Upload(b"x" * 50_000_000, length=50_000_000), timeouts=Timeouts(idle_s=0.05))

    over.set()
    assert is_closed(caller.dialled[0])


def pooled(caller):
    """Put a connection to the upstream into the pool, and return it."""
    connection = caller.dial()
    caller.pool.give_back(caller.origin, connection)
    return connection


def test_a_pooled_connection_is_used_again(caller, upstream):
    connection = pooled(caller)

    call = caller.sent()

    assert call.answer()[0].status == 200
    assert (call.connection, len(caller.dialled)) == (connection, 1)


def test_a_pooled_connection_that_takes_no_octet_is_replaced_once(caller, upstream):
    dead = pooled(caller)
    dead.socket.shutdown(socket.SHUT_WR)

    call = caller.sent("POST", upload=Upload(b"abc", length=3))

    assert call.answer()[0].status == 200
    assert [is_closed(connection) for connection in caller.dialled] == [True, False]
    assert [bytes(seen.body) for seen in upstream.requests] == [b"abc"]


def test_a_second_dead_pooled_connection_is_not_tried(caller, upstream):
    for connection in (pooled(caller), pooled(caller)):
        connection.socket.shutdown(socket.SHUT_WR)

    call = caller.sent()

    assert (call.connection, call.answer()[0].status) == (caller.dialled[2], 200)


def test_a_pooled_connection_that_dies_with_the_request_on_it_is_not_replaced(caller, upstream):
    upstream.plays(FIN)
    pooled(caller)

    with pytest.raises(UpstreamUnreachable):
        caller.sent("GET").answer()

    assert (len(upstream.requests), len(caller.dialled)) == (1, 1)


def test_a_dial_that_fails_is_told(caller, upstream):
    def dial(_timeout_s):
        raise UpstreamUnreachable("The upstream could not be reached.")

    with pytest.raises(UpstreamUnreachable):
        caller.call().send(dial)

    assert upstream.octets == 0


def test_a_total_time_that_is_over_before_anything_is_sent_is_a_timeout(caller, upstream):
    with pytest.raises(UpstreamTimeout):
        caller.sent(timeouts=Timeouts(total_s=0.0))

    assert [seen.raw_head for seen in upstream.requests] == []
    assert caller.dialled == []


def test_octets_behind_the_head_stay_for_the_body(caller, upstream):
    upstream.plays(head(200, [("Transfer-Encoding", "chunked")]) + chunk(b"abc"), BODY, SILENCE)
    call = caller.sent()

    _, decoder = call.answer()

    received = b""
    while not received:
        received, _ = decoder.decode(call.connection.receive(5.0))
    assert received == b"abc"


def test_no_message_of_a_failed_call_tells_where_it_went(caller, upstream):
    upstream.plays(b"canary 127.0.0.1", FIN)

    with pytest.raises(UpstreamInvalidResponse) as refusal:
        caller.sent("GET", "/secret-path").answer()

    assert re.search(r"canary|127|secret", str(refusal.value)) is None
