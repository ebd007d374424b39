"""An exchange of a URL route goes to its target octet for octet, and its answer comes back as it is."""

import re
import socket
import ssl
import struct
import threading

import gevent
import pytest
from gevent import event
from pydantic import SecretStr

from app.dialects import error_event
from app.errors import ClientLeft, RequestTooLarge, StreamBroken, UpstreamBroke, UpstreamTimeout, UpstreamUnreachable
from app.exchange import Outcome
from app.key_index import KeyIndex
from app.relay.delivery import is_event_stream, server_timing
from app.relay.passthrough import Passthrough
from app.relay.upstream import upstream_session
from app.relay.watch import DepartureWatch
from app.settings.gateway import Timeouts
from tests.kit.gateway import free_port
from tests.kit.upstream import FIN, SILENCE, answer, chunk, head, wait
from tests.values import Upload, a_route, an_exchange

CHUNKED = ("Transfer-Encoding", "chunked")
EVENTS = ("Content-Type", "text/event-stream; charset=utf-8")


class Relayed:
    """A relayed answer as a WSGI server gets it."""

    def __init__(self, response):
        self.body = response({}, self._start)
        self.pieces = iter(self.body)

    def _start(self, status, fields, exc_info=None):
        self.status, self.fields = status, fields

    def read(self):
        return b"".join(self.pieces)


class Way:
    """The way upstream of one route; what it relayed is closed with the test."""

    def __init__(self, upstream):
        self._upstream = upstream
        self._session = upstream_session(ssl.create_default_context)
        self._relayed = []
        self.watch = DepartureWatch()

    def relay(self, exchange, segments=(), remainder="", target="/", max_request_bytes=None, **route):
        route = a_route(target=f"http://{self._upstream.authority}{target}", **route)
        passthrough = Passthrough(route, route.target, self._session, self.watch, max_request_bytes)
        self._relayed.append(Relayed(passthrough.relay(exchange, dict(segments), remainder)))
        return self._relayed[-1]

    def close(self):
        for relayed in self._relayed:
            relayed.body.close()
        self._session.close()


@pytest.fixture
def way(upstream):
    way = Way(upstream)
    yield way
    way.close()


@pytest.fixture
def ends():
    """Both ends of the client's connection: (client's, gateway's)."""
    client, gateway = socket.socketpair()
    with client, gateway:
        yield client, gateway


def test_path_query_fields_and_body_meet_the_routes(way, upstream):
    exchange = an_exchange(
        "POST",
        "/tree/a%2Fb?x=%20&v=9&x=",
        fields=[("HOST", "gateway.test"), ("AUTHORIZATION", "client"), ("X-A", "1"), ("X_A", "2"), ("X-A", "3")],
        body=Upload(b"abc", length=3),
    )

    way.relay(
        exchange,
        segments={"name": "n%20"},
        remainder="/a%2Fb",
        target="/{name}/base/?v=1",
        headers=(("Authorization", SecretStr("operator")),),
        default_query_params=(("key", SecretStr("k&1")), ("x", SecretStr("never"))),
    )

    (seen,) = upstream.requests
    assert seen.target == "/n%20/base/a%2Fb?v=1&x=%20&x=&key=k%261"
    assert list(seen.fields) == [
        ("Host", upstream.authority),
        ("X-A", "1"),
        ("X_A", "2"),
        ("X-A", "3"),
        ("Authorization", "operator"),
        ("Content-Length", "3"),
    ]
    assert bytes(seen.body) == b"abc"


def test_without_forwarding_only_what_describes_the_message_travels(way, upstream):
    fields = [("HOST", "h"), ("X-A", "1"), ("ACCEPT", "a/b"), ("COOKIE", "a=1"), ("USER-AGENT", "curl")]

    way.relay(an_exchange(fields=fields), forward_headers=False)

    assert upstream.requests[0].fields.names() == ["host", "accept"]


def test_a_target_without_path_and_a_client_without_query_ask_for_the_root(way, upstream):
    way.relay(an_exchange(), target="")

    assert upstream.requests[0].target == "/"


def test_a_bare_question_mark_travels(way, upstream):
    way.relay(an_exchange(query=""))

    assert upstream.requests[0].target == "/?"


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        pytest.param([("AUTHORIZATION", "Bearer sk-master")], None, id="bearer"),
        pytest.param([("X-API-KEY", "sk-master")], None, id="bare, in any header"),
        pytest.param([("AUTHORIZATION", "Basic c2stbWFzdGVyOng=")], None, id="Basic pair"),
        pytest.param([], "key=sk-master&x=1", id="query"),
        pytest.param([], "key=sk%2Dmaster&x=1", id="query, in another spelling"),
    ],
)
def test_the_gateways_own_key_stays_here(way, upstream, fields, query):
    exchange = an_exchange(
        fields=[("HOST", "h"), *fields, ("X-A", "1")], query=query, keys_withheld=KeyIndex({"sk-master"})
    )

    way.relay(exchange)

    (seen,) = upstream.requests
    assert seen.fields.names() == ["host", "x-a"]
    assert seen.target == ("/?x=1" if query else "/")


def test_another_credential_of_the_client_travels(way, upstream):
    exchange = an_exchange(
        fields=[("HOST", "h"), ("AUTHORIZATION", "Bearer sk-other")],
        query="key=other",
        keys_withheld=KeyIndex({"sk-master"}),
    )

    way.relay(exchange)

    assert upstream.requests[0].fields.one("authorization") == "Bearer sk-other"
    assert upstream.requests[0].target == "/?key=other"


def test_an_answer_comes_back_as_it_is(way, upstream):
    fields = [("Set-Cookie", "a=1"), ("Location", "/x?y#z"), ("Content-Encoding", "gzip"), ("set-cookie", "b=2")]
    upstream.plays(head(302, [*fields, ("Content-Length", "3")], reason="Odd"), b"abc")

    relayed = way.relay(an_exchange())

    *came, (name, value) = relayed.fields
    assert (relayed.status, came) == ("302 Odd", [*fields, ("Content-Length", "3")])
    assert (name, re.fullmatch(r"gw;dur=\d+\.\d\d, up;dur=\d+\.\d\d", value) is not None) == ("Server-Timing", True)
    assert relayed.read() == b"abc"


def test_fields_of_the_upstreams_hop_stay_there(way, upstream):
    theirs = [
        ("Connection", "X-Foo, keep-alive"),
        ("Keep-Alive", "timeout=5"),
        ("X-Foo", "1"),
        ("Server", "nginx"),
        ("Date", "now"),
        ("Upgrade", "h2c"),
        ("x-gateway-request-id", "1"),
        ("X-Request-Id", "1"),
    ]
    upstream.plays(head(200, [*theirs, CHUNKED]), chunk(b"abc"), chunk(b""))

    relayed = way.relay(an_exchange())

    assert [name for name, _ in relayed.fields] == ["X-Request-Id", "Server-Timing"]
    assert relayed.read() == b"abc"


@pytest.mark.parametrize("lengths", [["3", "3"], ["3, 3"], ["3,3", "3"]], ids=["two lines", "one line", "both"])
def test_equal_lengths_become_one(way, upstream, lengths):
    upstream.plays(head(200, [*(("content-length", length) for length in lengths), ("X-A", "1")]) + b"abc")

    relayed = way.relay(an_exchange())

    assert relayed.fields[:2] == [("X-A", "1"), ("Content-Length", "3")]
    assert relayed.read() == b"abc"


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_body_keeps_its_fields(way, upstream, status):
    upstream.plays(head(status, [("ETag", '"x"'), ("Content-Type", "a/b")]))

    relayed = way.relay(an_exchange())

    assert relayed.fields[:2] == [("ETag", '"x"'), ("Content-Type", "a/b")]
    assert relayed.read() == b""


def test_the_head_leaves_before_any_of_a_body_has_come(way, upstream):
    go = threading.Event()
    upstream.plays(head(200, [CHUNKED]), wait(go), chunk(b"later"), chunk(b""))

    relayed = way.relay(an_exchange())
    first = next(relayed.pieces)
    go.set()

    assert (first, relayed.read()) == (b"", b"later")


def test_each_chunk_leaves_as_it_arrives(way, upstream):
    read = threading.Event()
    upstream.plays(head(200, [CHUNKED]) + chunk(b"one"), wait(read), chunk(b"two"), chunk(b""))

    relayed = way.relay(an_exchange())
    first = next(piece for piece in relayed.pieces if piece)
    read.set()

    assert (first, relayed.read()) == (b"one", b"two")


def test_the_exchange_learns_status_and_times(way, upstream):
    upstream.plays(answer(418))
    exchange = an_exchange()

    way.relay(exchange)

    assert exchange.upstream_status == 418
    assert 0 < exchange.upstream_s < exchange.first_byte_s
    assert exchange.outcome is None


def test_server_timing_tells_the_gateways_share_and_the_upstreams(way):
    exchange = an_exchange(started_s=0.0, upstream_s=0.0125)

    assert re.fullmatch(r"gw;dur=\d+\.\d\d, up;dur=12\.50", server_timing(exchange))


def test_a_body_too_large_by_its_length_is_refused_before_anything_is_sent(way, upstream):
    with pytest.raises(RequestTooLarge, match="10 octets"):
        way.relay(an_exchange("POST", body=Upload(b"x" * 11, length=11)), max_request_bytes=10)

    assert upstream.octets == 0


def test_a_body_of_just_the_limit_is_carried(way, upstream):
    for upload in (Upload(b"x" * 10, length=10), Upload(b"x" * 6, b"x" * 4)):
        way.relay(an_exchange("POST", body=upload), max_request_bytes=10)

    assert [bytes(seen.body) for seen in upstream.requests] == [b"x" * 10] * 2


def test_a_chunked_body_too_large_is_refused_at_that_octet_and_never_whole_upstream(way, upstream):
    with pytest.raises(RequestTooLarge):
        way.relay(an_exchange("POST", body=Upload(b"x" * 10, b"y", b"z")), max_request_bytes=10)

    seen = upstream.wait_for_request()
    seen.wait_until_finished()
    assert (bytes(seen.body), seen.whole) == (b"x" * 10, False)


def test_a_chunked_body_too_large_from_the_start_is_refused_before_anything_is_sent(way, upstream):
    with pytest.raises(RequestTooLarge):
        way.relay(an_exchange("POST", body=Upload(b"z", arrived=b"x" * 11)), max_request_bytes=10)

    assert upstream.octets == 0


def test_an_answer_that_breaks_off_is_broken_after_its_last_octet(way, upstream):
    upstream.plays(head(200, [("Content-Length", "10")]) + b"abc", FIN)
    exchange = an_exchange()

    pieces = way.relay(exchange).pieces

    assert next(piece for piece in pieces if piece) == b"abc"
    with pytest.raises(UpstreamBroke):
        next(pieces)
    assert exchange.outcome is Outcome.UPSTREAM_FAILED
    assert exchange.cause == "the upstream closed its connection in mid-body"


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "google"])
@pytest.mark.parametrize(
    ("last", "between"),
    [
        pytest.param(b"data: 1\n\n", b"", id="between two events"),
        pytest.param(b"data: 1\n", b"\n\n", id="in an event"),
        pytest.param(b"data: 1", b"\n\n", id="in a line"),
    ],
)
def test_an_event_stream_that_breaks_off_ends_with_an_event_and_then_breaks(way, upstream, dialect, last, between):
    upstream.plays(head(200, [EVENTS, CHUNKED]) + chunk(last), FIN)
    exchange = an_exchange(error_format=dialect)

    pieces = way.relay(exchange, error_format=dialect).pieces

    last_event = error_event(StreamBroken("The upstream's event stream broke off."), dialect, "id-1")
    told = (piece for piece in pieces if piece)
    assert [next(told), next(told)] == [last, between + last_event]
    with pytest.raises(UpstreamBroke):
        next(pieces)
    assert exchange.outcome is Outcome.UPSTREAM_FAILED


@pytest.mark.parametrize(
    ("fields", "is_one"),
    [
        pytest.param([("Content-Type", "text/event-stream")], True, id="plain"),
        pytest.param([("content-type", "Text/Event-Stream ; charset=utf-8")], True, id="cased, with a charset"),
        pytest.param([("Content-Type", "text/event-stream"), ("Content-Encoding", "identity")], True, id="identity"),
        pytest.param([("Content-Type", "text/event-stream"), ("Content-Encoding", "gzip")], False, id="compressed"),
        pytest.param([("Content-Type", "text/event-stream"), ("Content-Length", "10")], False, id="of known length"),
        pytest.param([("Content-Type", "application/json")], False, id="another type"),
        pytest.param([("Content-Type", "text/event-streams")], False, id="a longer type"),
        pytest.param([], False, id="no type"),
    ],
)
def test_an_event_can_be_appended_only_to_a_plain_event_stream(fields, is_one):
    assert is_event_stream(fields) is is_one


def is_watched(way, connection):
    watched = way.watch._watched.get(connection.fileno())
    return watched is not None and watched.waiting is not None


def test_a_client_is_watched_until_its_answer_is_closed(way, upstream, ends):
    _, gateway = ends
    upstream.plays(answer(200, body=b"abc"))

    relayed = way.relay(an_exchange(socket=gateway), timeouts=Timeouts(idle_s=7.0))
    watched = is_watched(way, gateway)
    relayed.body.close()

    assert (watched, is_watched(way, gateway), gateway.gettimeout()) == (True, False, 7.0)


def test_a_client_that_leaves_while_the_answer_comes_is_told_apart(way, upstream, ends):
    client, gateway = ends
    upstream.plays(head(200, [EVENTS, CHUNKED]) + chunk(b"data: 1\n\n"), SILENCE)
    relayed = way.relay(an_exchange(socket=gateway))

    client.close()

    with pytest.raises(ClientLeft), gevent.Timeout(5.0, AssertionError("nobody noticed")):
        event.Event().wait()
    relayed.body.close()
    assert upstream.wait_for_request().connection.ended.wait(10)


@pytest.mark.parametrize(
    ("route", "fault"),
    [
        pytest.param({"target": "/", "timeouts": Timeouts(first_byte_s=0.02)}, UpstreamTimeout, id="silent"),
        pytest.param({"target": "/", "max_request_bytes": 1}, RequestTooLarge, id="too large"),
    ],
)
def test_a_client_is_not_watched_after_a_failure(way, upstream, ends, route, fault):
    _, gateway = ends
    upstream.plays(SILENCE)

    with pytest.raises(fault):
        way.relay(an_exchange("POST", socket=gateway, body=Upload(b"abc", length=3)), **route)

    assert not is_watched(way, gateway)


def test_a_failed_exchange_has_its_times(way, upstream):
    exchange = an_exchange()
    route = a_route(target=f"http://127.0.0.1:{free_port()}/")
    passthrough = Passthrough(route, route.target, upstream_session(ssl.create_default_context), way.watch, None)

    with pytest.raises(UpstreamUnreachable):
        passthrough.relay(exchange, {}, "")

    assert exchange.upstream_status is None
    assert 0 < exchange.upstream_s < exchange.first_byte_s


@pytest.mark.parametrize(("is_http_1_0", "linger"), [(True, (1, 0)), (False, (0, 0))], ids=["HTTP/1.0", "HTTP/1.1"])
def test_only_a_client_that_knows_no_chunks_is_told_of_a_break_by_a_reset(way, upstream, ends, is_http_1_0, linger):
    _, gateway = ends
    upstream.plays(head(200, [CHUNKED]) + chunk(b"abc"), FIN)
    relayed = way.relay(an_exchange(socket=gateway, is_http_1_0=is_http_1_0))

    with pytest.raises(UpstreamBroke):
        relayed.read()

    set_to = struct.unpack("ii", gateway.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))
    assert set_to == linger
