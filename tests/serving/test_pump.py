"""What has come leaves from the loop itself; what has to be waited for, and what goes wrong, is the caller's."""

import gc
import weakref
from collections import Counter
from contextlib import suppress
from types import SimpleNamespace

import gevent
import pytest
from gevent import socket
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ClientLeft, ServerStopping, UpstreamBroke
from app.framing import ChunkedDecoder
from app.relay.answer import UpstreamBody
from app.relay.connection import Connection, Deadline
from app.relay.delivery import Delivery
from app.serving.answer import Answer
from app.serving.head import Limits, request_head
from app.serving.pump import Pump
from tests.kit.client import Answer as Seen
from tests.values import an_exchange

EVENT_STREAM = [("Content-Type", "text/event-stream")]


def relay(pump, answer):
    pump.run()
    answer.finish()


class Stream:
    """An event stream under way: `upstream` and `client` are the far ends, `pumped` ends with it."""

    def __init__(self, idle_s=5.0, room=None, run=relay):
        ours, self.upstream = socket.socketpair()
        mine, self.client = socket.socketpair()
        for end in (self.upstream, self.client):
            end.settimeout(5.0)
        if room:
            mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
        self._connection = Connection(ours)
        self.kept = []
        self.asked_from = set()
        self.given_in = Counter()
        body = UpstreamBody(self._connection, ChunkedDecoder(), idle_s, Deadline(None), self.kept.append)
        self.body = weakref.ref(body)
        response = SimpleNamespace(raw=body, fields=EVENT_STREAM)
        delivery = Delivery(an_exchange(), response, b"", lambda _exchange: None)
        answer = Answer(mine, request_head(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", Limits()), lambda: True)
        answer.start_response("200 OK", EVENT_STREAM)
        pump = Pump(self._noting(iter(delivery)), delivery.source, answer)
        self.pumped = gevent.spawn(pumped, run, pump, answer, mine)

    def _noting(self, pieces):
        for piece in pieces:
            self.asked_from.add(gevent.getcurrent())
            self.given_in[gevent.get_hub().loop.iteration] += 1
            yield piece

    def seen(self):
        """Read the answer to its end, be it a good one or not."""
        seen = Seen("GET")
        while not seen.ending:
            seen.take(self.client.recv(65536))
        return seen

    def close(self):
        self.pumped.kill()
        self._connection.close()
        self.upstream.close()
        self.client.close()


def pumped(run, pump, answer, mine):
    try:
        run(pump, answer)
    finally:
        mine.close()


@pytest.fixture
def stream():
    """Begin a stream; see Stream."""
    begun = []

    def begin(**options):
        begun.append(Stream(**options))
        return begun[-1]

    yield begin
    for one in begun:
        one.close()


def chunk(piece):
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def fault_of(stream):
    stream.pumped.join(timeout=5.0)
    return stream.pumped.exception


def test_each_event_leaves_as_it_comes(stream):
    it = stream()
    it.client.recv(65536)

    for number in range(3):
        it.upstream.sendall(chunk(b"data: %d\n\n" % number))
        assert it.client.recv(65536) == chunk(b"data: %d\n\n" % number)
    it.upstream.sendall(b"0\r\n\r\n")

    assert it.client.recv(65536) == b"0\r\n\r\n"
    it.pumped.get(timeout=5.0)
    assert len(it.kept) == 1


def test_what_has_come_wakes_no_greenlet(stream):
    it = stream()
    it.client.recv(65536)
    it.asked_from.clear()

    it.upstream.sendall(chunk(b"data: 1\n\n"))
    it.client.recv(65536)

    assert it.asked_from == {gevent.get_hub()}


def test_a_client_that_reads_slowly_gets_every_octet(stream):
    it = stream(room=4096)
    events = [b"data: %d %b\n\n" % (number, b"x" * 40_000) for number in range(30)]
    feeding = gevent.spawn(it.upstream.sendall, b"".join(map(chunk, events)) + b"0\r\n\r\n")

    seen = it.seen()

    feeding.get(timeout=5.0)
    assert (seen.body, seen.ending) == (b"".join(events), "whole")
    assert it.pumped.get(timeout=5.0) is None


def test_a_stream_behind_a_slow_client_lets_others_have_their_turn(stream):
    it = stream()
    events = [b"data: %b\n\n" % (b"x" * 65_000)] * 16
    feeding = gevent.spawn(it.upstream.sendall, b"".join(map(chunk, events)) + b"0\r\n\r\n")
    gevent.idle()

    seen = it.seen()

    feeding.get(timeout=5.0)
    assert (len(seen.body), seen.ending) == (len(b"".join(events)), "whole")
    assert max(it.given_in.values()) == 1, "of what has come, each turn of the loop takes one piece"


def times_out(it):
    it.pumped.join()


def loses_its_client(it):
    it.client.close()
    it.upstream.sendall(chunk(b"data: 1\n\n"))


def is_left(it):
    gevent.get_hub().loop.run_callback(lambda: it.pumped.throw(ClientLeft("gone")))
    it.pumped.join()


@pytest.mark.parametrize("end", [times_out, loses_its_client, is_left])
def test_a_stream_that_ends_badly_leaves_nothing_to_the_collector(end):
    def run(pump, answer):
        with suppress(BaseException):  # as a worker does, that ends the connection then
            relay(pump, answer)

    it = Stream(idle_s=0.01 if end is times_out else 5.0, run=run)
    it.client.recv(65536)
    body = it.body
    gc.collect()
    gc.disable()
    try:
        end(it)
        it.pumped.join(timeout=5.0)
        it.close()
        del it

        assert body() is None
    finally:
        gc.enable()


def test_a_body_that_ends_in_a_piece_of_its_own_is_whole(stream):
    it = stream()

    for octets in (b"3\r", b"\nab", b"c\r\n", b"0\r\n", b"\r\n"):
        it.upstream.sendall(octets)
        gevent.idle()

    seen = it.seen()
    assert (seen.body, seen.ending) == (b"abc", "whole")


@pytest.mark.parametrize("spoiled", [b"zz\r\n", b"4\r\nhalfXX"], ids=["a size", "behind data"])
def test_broken_framing_ends_the_stream_with_an_event(stream, spoiled):
    it = stream()
    it.client.recv(65536)

    it.upstream.sendall(spoiled)

    assert isinstance(fault_of(it), UpstreamBroke)
    assert b"upstream_stream_broken" in it.client.recv(65536)


def test_an_upstream_that_leaves_in_mid_stream_is_told_of(stream):
    it = stream()
    it.upstream.sendall(chunk(b"data: 1\n\n"))
    gevent.idle()
    it.upstream.sendall(b"9\r\n")  # of which there is no piece
    gevent.idle()
    it.upstream.close()

    seen = it.seen()

    assert isinstance(fault_of(it), UpstreamBroke)
    assert seen.body.startswith(b'data: 1\n\ndata: {"error"')  # the event before was whole: no empty one is between


def test_an_upstream_that_is_silent_for_too_long_is_told_of(stream):
    it = stream(idle_s=0.01)

    assert "stalled" in str(fault_of(it))


@pytest.mark.parametrize(
    ("interrupt", "last"),
    [
        pytest.param(ServerStopping("stopping"), b"server_stopping", id="the end of the graceful time"),
        pytest.param(ClientLeft("gone"), b"", id="a client that left"),
        pytest.param(gevent.GreenletExit(), b"", id="a kill"),
    ],
)
def test_an_interruption_is_met_where_the_next_piece_is_asked_for(stream, interrupt, last):
    it = stream()
    it.client.recv(65536)
    it.upstream.sendall(chunk(b"data: 1\n\n"))
    it.client.recv(65536)

    it.pumped.kill(interrupt)

    assert last in it.client.recv(65536)
    assert it.kept == []


def test_a_client_that_resets_in_mid_stream_is_met_as_an_error_of_its_connection(stream):
    it = stream()
    it.client.recv(65536)
    it.client.close()

    it.upstream.sendall(chunk(b"data: 1\n\n"))

    assert isinstance(fault_of(it), ConnectionError)


@given(st.data())
def test_a_stream_is_the_same_however_it_is_cut(data):
    events = data.draw(st.lists(st.binary(min_size=1, max_size=2000), max_size=8))
    octets = b"".join(map(chunk, events)) + b"0\r\n\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=12)))
    it = Stream(room=data.draw(st.sampled_from([None, 1024])))
    try:
        for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True):
            it.upstream.sendall(octets[start:end])
            gevent.sleep(0)
        seen = it.seen()
    finally:
        it.close()

    assert (seen.body, seen.ending) == (b"".join(events), "whole")
