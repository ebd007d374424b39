"""An exchange is what the request line and the head said, not what WSGI made of them."""

import io

import pytest

from app.arrival import WsgiBody, open_exchange, refuse_malformed
from app.errors import ClientLeft, InvalidRequest, RouteNotFound
from app.exchange import EXCHANGE
from tests.values import Upload, an_exchange


def an_environ(**more):
    """Return a WSGI environ (PEP 3333) as gunicorn lays it out."""
    return {
        "REQUEST_METHOD": "GET",
        "RAW_URI": "/plain",
        "PATH_INFO": "/plain",
        "SCRIPT_NAME": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "gateway.test",
        "wsgi.input": io.BytesIO(),
        **more,
    }


def test_the_exchange_has_the_raw_path_and_query():
    environ = an_environ(RAW_URI="/v1/a%2Fb?x=%20&x=", PATH_INFO="/v1/a/b", QUERY_STRING="x=%20&x=")

    exchange = open_exchange(environ)

    assert (exchange.method, exchange.path, exchange.query) == ("GET", "/v1/a%2Fb", "x=%20&x=")
    assert exchange.request_target == "/v1/a%2Fb?x=%20&x="


def test_routing_sees_the_raw_path():
    environ = an_environ(RAW_URI="/v1/a%2Fb?x", PATH_INFO="/v1/a/b", SCRIPT_NAME="/v1")

    exchange = open_exchange(environ)

    assert (environ["PATH_INFO"], environ["SCRIPT_NAME"]) == ("/v1/a%2Fb", "")
    assert environ[EXCHANGE] is exchange


def test_an_absolute_target_is_reduced_to_its_path():
    exchange = open_exchange(an_environ(RAW_URI="http://other.test/plain?x"))

    assert (exchange.path, exchange.query) == ("/plain", "x")


def test_a_target_without_path_opens_an_exchange_all_the_same():
    exchange = open_exchange(an_environ(RAW_URI="*", PATH_INFO="*"))

    assert (exchange.path, exchange.query, exchange.request_target) == ("", None, "*")


def test_a_server_without_raw_uri_is_believed():
    exchange = open_exchange(an_environ(RAW_URI="", PATH_INFO="/a b", QUERY_STRING="x=1"))

    assert (exchange.path, exchange.query) == ("/a b", "x=1")


def test_fields_and_body_of_our_own_worker_are_taken_as_they_are():
    body = Upload(b"abc")
    body.fields = [("X_B", "1"), ("X-B", "2"), ("X-B", "3")]

    exchange = open_exchange(an_environ(**{"wsgi.input": body, "HTTP_X_B": "1,2,3"}))

    assert exchange.fields == [("X_B", "1"), ("X-B", "2"), ("X-B", "3")]
    assert exchange.body is body


def test_fields_of_another_server_are_rebuilt():
    exchange = open_exchange(
        an_environ(HTTP_X_A="1", CONTENT_TYPE="text/plain", CONTENT_LENGTH="3", **{"wsgi.input": io.BytesIO(b"abc")})
    )

    assert exchange.fields == [
        ("HOST", "gateway.test"),
        ("X-A", "1"),
        ("CONTENT-TYPE", "text/plain"),
        ("CONTENT-LENGTH", "3"),
    ]
    assert list(exchange.body.pieces()) == [b"abc"]


def test_every_exchange_has_an_id_of_its_own():
    ids = {open_exchange(an_environ()).request_id for _ in range(100)}

    assert len(ids) == 100
    assert {len(request_id) for request_id in ids} == {32}


@pytest.mark.parametrize(("protocol", "is_old"), [("HTTP/1.0", True), ("HTTP/1.1", False)])
def test_the_clients_version_is_remembered(protocol, is_old):
    assert open_exchange(an_environ(SERVER_PROTOCOL=protocol)).is_http_1_0 is is_old


@pytest.mark.parametrize(
    "host",
    ["gateway.test", "gateway.test:4000", "127.0.0.1", "[::1]", "[::1]:4000", "GATEWAY", "a_b", "gateway:", "%41"],
)
def test_a_host_is_a_name_or_an_address_and_perhaps_a_port(host):
    refuse_malformed(an_exchange(fields=[("Host", host)]))

    with pytest.raises(InvalidRequest):
        refuse_malformed(an_exchange(fields=[("Host", host), ("HOST", host)]))


@pytest.mark.parametrize(
    "host",
    ["a b", "http://a", "a/b", "a@b", "user@host", "a:b", "a:1:2", "::1", "[::1", "[::1]x", "a?b", "a#b", "a\\b",
     "\xe4", "a\x00", '"a"', "a:80x", "[a]b:1", "", ":", ":80", "%h", "a%4"],
)  # fmt: skip
def test_a_host_that_names_nobody_or_could_be_read_in_two_ways_is_refused(host):
    with pytest.raises(InvalidRequest) as refusal:
        refuse_malformed(an_exchange(fields=[("HOST", host)]))

    assert refusal.value.param == "Host"


def test_http_1_1_needs_a_host_and_http_1_0_does_not():
    refuse_malformed(an_exchange(fields=[], is_http_1_0=True))

    with pytest.raises(InvalidRequest, match="missing"):
        refuse_malformed(an_exchange(fields=[]))


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        pytest.param("", InvalidRequest, id="none"),
        pytest.param("/v1/../admin", InvalidRequest, id="climbs"),
        pytest.param("/v1/%2e%2E%2fadmin", InvalidRequest, id="climbs, encoded"),
        pytest.param("/v1/.", InvalidRequest, id="single dot"),
        pytest.param("//v1", RouteNotFound, id="two slashes first"),
    ],
)
def test_a_path_that_servers_read_differently_is_refused(path, refusal):
    with pytest.raises(refusal):
        refuse_malformed(an_exchange(path=path))


@pytest.mark.parametrize("path", ["/", "/v1//x", "/v1/a%2Fb", "/v1/...", "/v1/x/"])
def test_an_unusual_path_is_left_to_the_routes(path):
    assert refuse_malformed(an_exchange(path=path)) is None


class Trickle(io.BytesIO):
    """An input whose reads give three octets at most."""

    def read(self, size=-1):
        return super().read(min(size, 3) if size >= 0 else 3)


def test_a_body_of_known_length_is_read_to_that_length():
    source = Trickle(b"abcdeNEXT")
    body = WsgiBody({"wsgi.input": source, "CONTENT_LENGTH": "5"})

    pieces = list(body.pieces())

    assert pieces == [b"abc", b"de"]
    assert (body.is_whole, body.received, body.length, body.is_chunked) == (True, 5, 5, False)
    assert source.read() == b"NEX"


def test_a_chunked_body_is_read_to_its_end():
    body = WsgiBody({"wsgi.input": Trickle(b"abcde"), "HTTP_TRANSFER_ENCODING": "Chunked"})

    assert not body.is_whole
    assert list(body.pieces()) == [b"abc", b"de"]
    assert (body.is_whole, body.received, body.length, body.is_chunked) == (True, 5, None, True)


def test_a_body_that_ends_early_means_that_the_client_left():
    body = WsgiBody({"wsgi.input": io.BytesIO(b"abc"), "CONTENT_LENGTH": "5"})
    pieces = body.pieces()

    assert next(pieces) == b"abc"
    with pytest.raises(ClientLeft):
        next(pieces)
    assert not body.is_whole


@pytest.mark.parametrize("environ", [{}, {"CONTENT_LENGTH": ""}, {"CONTENT_LENGTH": "0"}], ids=["none", "empty", "0"])
def test_a_request_without_octets_has_a_whole_body(environ):
    body = WsgiBody({"wsgi.input": io.BytesIO(b"NEXT"), **environ})

    assert (body.is_whole, list(body.pieces()), body.arrived()) == (True, [], b"")
