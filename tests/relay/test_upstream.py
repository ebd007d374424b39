"""The transport against a real server: octets as given, answers as they come, connections passed on with care."""

import os
import socket
import threading
from functools import partial

import pytest

from app.errors import UpstreamBroke, UpstreamTimeout, UpstreamUnreachable
from app.exchange import NoBody
from app.relay.upstream import UpstreamAdapter, UpstreamRequest, upstream_session
from app.settings import trust
from app.settings.gateway import Timeouts
from app.settings.urls import http_target
from tests.conftest import CERTS
from tests.kit.gateway import free_port
from tests.kit.upstream import CLOSE, FIN, RST, SILENCE, answer, chunk, head
from tests.values import QUICK, Upload

CHUNKED = ("Transfer-Encoding", "chunked")


def numbers(upstream):
    """Return which connection each request came on, the first one being 0."""
    seen = [request.connection.number for request in upstream.requests]
    return [number - seen[0] for number in seen]


def test_a_request_is_sent_as_given_and_nothing_else(send, upstream):
    fields = [("X-Two", "1"), ("x-two", "2"), ("X_Two", "3"), ("Accept-Encoding", "br")]

    send("GET", "/a%2Fb/../c?x=%20&x=&y", fields)

    (seen,) = upstream.requests
    assert seen.raw_head == (
        b"GET /a%%2Fb/../c?x=%%20&x=&y HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
        b"X-Two: 1\r\nx-two: 2\r\nX_Two: 3\r\nAccept-Encoding: br\r\n\r\n" % upstream.port
    )


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "X-ODD"])
def test_any_method_is_sent(send, upstream, method):
    send(method)

    assert [seen.method for seen in upstream.requests] == [method]


def test_an_answer_comes_as_it_is(send, read, upstream):
    fields = [("Set-Cookie", "a=1"), ("X-A", " \xe4 ".strip()), ("set-cookie", "b=2"), ("Content-Encoding", "gzip")]
    upstream.plays(head(299, [*fields, CHUNKED], reason="Odd enough"), chunk(b"\x1f\x8bno gzip"), chunk(b""))

    response = send()

    assert (response.status_code, response.reason) == (299, "Odd enough")
    assert response.fields == [*fields, CHUNKED]
    assert response.headers["content-encoding"] == "gzip"
    assert read(response) == b"\x1f\x8bno gzip"


def test_a_redirect_is_an_answer(send, read, upstream):
    upstream.plays(answer(302, [("Location", "/elsewhere")], b"moved"))

    response = send()

    assert (response.status_code, read(response), response.history) == (302, b"moved", [])
    assert [seen.target for seen in upstream.requests] == ["/plain"]


def test_cookies_do_not_survive(send, read, upstream):
    upstream.plays(answer(200, [("Set-Cookie", "sid=1; Path=/")]))

    read(send())
    read(send())

    assert [seen.fields.every("cookie") for seen in upstream.requests] == [[], []]


def test_proxies_and_netrc_of_the_environment_are_not_used(upstream, other_upstream, tmp_path, monkeypatch):
    proxy = f"http://{other_upstream.authority}"
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy)
    (tmp_path / ".netrc").write_text("default login netrc password netrc\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    session = upstream_session(partial(trust.read, os.environ))
    leads_to = http_target(f"http://{upstream.authority}")

    request = UpstreamRequest("GET", leads_to, "/plain", [], NoBody())
    session.get_adapter(request.url).send(request, timeout=QUICK).raw.close()
    session.close()

    (seen,) = upstream.requests
    assert (seen.target, seen.fields.names()) == ("/plain", ["host"])
    assert other_upstream.octets == 0


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([answer(200, body=b"abc")], id="length"),
        pytest.param([answer(200)], id="no octets"),
        pytest.param([head(200, [CHUNKED]), chunk(b"abc"), chunk(b"")], id="chunked"),
        pytest.param([head(200, [CHUNKED]), chunk(b""), b""], id="chunked, no octets"),
        pytest.param([head(200, [CHUNKED]), b"0\r\nX-T: 1\r\n\r\n"], id="chunked with a trailer"),
        pytest.param([head(204)], id="204"),
        pytest.param([head(304, [("Content-Length", "10")])], id="304 that tells a length"),
        pytest.param([head(103), answer(200, body=b"abc")], id="after a 103"),
        pytest.param([answer(500, body=b"no")], id="an error"),
    ],
)
def test_a_connection_is_used_again_once_the_answer_was_read(send, read, upstream, steps):
    upstream.plays(*steps)

    bodies = [read(send()) for _ in range(3)]

    assert bodies[0] == bodies[1] == bodies[2]
    assert numbers(upstream) == [0, 0, 0]


def test_the_answer_to_head_has_no_body_and_its_connection_is_used_again(send, read, upstream):
    upstream.plays(head(200, [("Content-Length", "10000000")]))

    responses = [send("HEAD"), send("HEAD")]

    assert [read(response) for response in responses] == [b"", b""]
    assert responses[0].fields == [("Content-Length", "10000000")]
    assert numbers(upstream) == [0, 0]


@pytest.mark.parametrize(
    ("method", "steps", "body"),
    [
        pytest.param("GET", [answer(200, body=b"abc") + b"HTTP/1.1 200 OK"], b"abc", id="behind a length"),
        pytest.param("GET", [head(200, [CHUNKED]) + chunk(b"abc") + chunk(b"") + b"x"], b"abc", id="behind chunks"),
        pytest.param("GET", [head(204) + b"illegal"], b"", id="a 204's body"),
        pytest.param("HEAD", [answer(200, body=b"illegal")], b"", id="HEAD's body"),
        pytest.param("GET", [answer(200, [("Connection", "close")], b"abc")], b"abc", id="told to close"),
        pytest.param("GET", [answer(200, [("Keep-Alive", "timeout=1")], b"abc")], b"abc", id="told to close soon"),
        pytest.param("GET", [b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc"], b"abc", id="HTTP/1.0"),
        pytest.param("GET", [head(200), b"abc", FIN], b"abc", id="ends with its connection"),
    ],
)
def test_a_connection_with_anything_doubtful_on_it_is_not_used_again(send, read, upstream, method, steps, body):
    upstream.plays_in_turn(steps, [answer(201, body=b"second")])

    first = send(method)
    assert read(first) == body
    second = send()

    assert (second.status_code, read(second)) == (201, b"second")
    assert numbers(upstream) == [0, 1]
    assert upstream.requests[0].connection.ended.wait(10)


def test_an_answer_that_is_not_read_to_its_end_ends_its_connection(send, read, upstream):
    upstream.plays_in_turn([answer(200, body=b"x" * 1_000_000)], [answer(201)])

    first = send()
    first.raw.read1()
    first.raw.close()

    assert send().status_code == 201
    assert numbers(upstream) == [0, 1]
    assert upstream.requests[0].connection.ended.wait(10)


def test_two_answers_at_a_time_have_two_connections(send, read, upstream):
    upstream.plays_in_turn([answer(200, body=b"one")], [answer(200, body=b"two")], [answer(200, body=b"three")])

    one, two = send(), send()

    assert [read(two), read(one), read(send())] == [b"two", b"one", b"three"]
    assert numbers(upstream)[:2] == [0, 1]
    assert numbers(upstream)[2] in (0, 1)


def half_close(turn):
    turn.connection.sock.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("ending", [half_close, CLOSE, RST], ids=["FIN", "close", "RST"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_that_died_in_the_pool_is_replaced_by_a_fresh_one(send, read, upstream, method, ending):
    has_ended = threading.Event()
    upstream.plays_in_turn(
        [answer(200, body=b"one"), lambda turn: (ending(turn), has_ended.set())], [answer(200, body=b"two")]
    )
    read(send())
    assert has_ended.wait(5.0)

    response = send(method, upload=Upload(b"abc", length=3) if method == "POST" else None)

    assert read(response) == b"two"
    assert numbers(upstream) == [0, 1]
    assert [seen.method for seen in upstream.requests] == ["GET", method]


@pytest.mark.parametrize("ending", [FIN, RST], ids=["FIN", "RST"])
@pytest.mark.parametrize("is_pooled", [True, False], ids=["pooled", "fresh"])
def test_a_request_that_may_have_been_processed_is_never_sent_twice(send, read, upstream, ending, is_pooled):
    upstream.plays_in_turn([answer(200)], [ending])
    if is_pooled:
        read(send())
    else:
        upstream.plays(ending)

    with pytest.raises(UpstreamUnreachable):
        send("POST", upload=Upload(b"abc", length=3))

    posts = [bytes(seen.body) for seen in upstream.requests if seen.method == "POST"]
    assert posts == [b"abc"]
    assert set(numbers(upstream)) == {0}


def test_an_answer_that_breaks_off_is_broken(send, upstream):
    upstream.plays(head(200, [("Content-Length", "10")]), b"abc", FIN)

    response = send()

    assert response.raw.read1() == b"abc"
    with pytest.raises(UpstreamBroke):
        response.raw.read1()


def test_a_silent_upstream_is_a_timeout_and_its_connection_is_closed(send, upstream):
    upstream.plays(SILENCE)

    with pytest.raises(UpstreamTimeout):
        send(timeouts=Timeouts(first_byte_s=0.02))

    assert upstream.wait_for_request().connection.ended.wait(10)


def test_an_upstream_that_is_not_there_is_unreachable(adapter):
    request = UpstreamRequest("GET", http_target(f"http://127.0.0.1:{free_port()}"), "/", [], NoBody())

    with pytest.raises(UpstreamUnreachable):
        adapter.send(request, timeout=QUICK)


def test_a_huge_length_is_only_a_number(send, upstream):
    """SC-08: nothing is set aside for it."""
    upstream.plays(head(200, [("Content-Length", str(10**15))]), b"abc", SILENCE)

    response = send()

    assert response.raw.read1() == b"abc"
    response.raw.close()


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_bundle_of_the_environment_is_trusted(tls_upstreams, name):
    server = tls_upstreams["good"]
    server.forget()
    adapter = UpstreamAdapter(partial(trust.read, {name: str(CERTS / "authority.pem")}))
    request = UpstreamRequest("GET", http_target(f"https://localhost:{server.port}"), "/tls", [], NoBody())

    response = adapter.send(request, timeout=QUICK)

    assert b"".join(iter(response.raw.read1, b"")) == b"plain answer"
    adapter.close()
    assert [seen.target for seen in server.requests] == ["/tls"]


def test_without_a_bundle_an_unknown_authority_is_not_trusted(adapter, tls_upstreams):
    server = tls_upstreams["good"]
    server.forget()
    request = UpstreamRequest("GET", http_target(f"https://localhost:{server.port}"), "/tls", [], NoBody())

    with pytest.raises(UpstreamUnreachable):
        adapter.send(request, timeout=QUICK)

    assert server.octets == 0


def test_a_session_has_one_adapter_for_both_schemes():
    session = upstream_session(partial(trust.read, {}))

    assert session.get_adapter("http://a/") is session.get_adapter("https://b/")
    assert isinstance(session.get_adapter("http://a/"), UpstreamAdapter)
    session.close()
