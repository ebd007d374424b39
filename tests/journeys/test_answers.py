"""RELIABILITY group SH: status and fields of the upstream's answer, as the client gets them."""

from __future__ import annotations

import threading

import pytest

from tests.kit.claims import gateway_error
from tests.kit.client import Client, request
from tests.kit.gateway import Gateway
from tests.kit.upstream import FIN, SILENCE, Upstream, answer, chunk, head, repeat, wait

EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(EARLY_HINTS, id="SH-01 one 103"),
        pytest.param(PROCESSING * 3, id="SH-02 three 102"),
        pytest.param(CONTINUE, id="SH-02 an unasked 100"),
        pytest.param(CONTINUE + PROCESSING + EARLY_HINTS * 20, id="SH-02 many of all"),
    ],
)
def test_informational_answer_is_not_the_answer(client: Client, upstream: Upstream, before: bytes) -> None:
    """SH-01: the final one comes later, and the next request on that connection gets its own."""
    go = threading.Event()
    upstream.plays_in_turn([before, wait(go), answer(body=b"first")], [answer(201, body=b"second")])
    client.send(request("GET", "/plain"))
    upstream.wait_for_request()
    go.set()

    first, second = client.answer(), client.ask("GET", "/plain")

    assert (first.status, bytes(first.body)) == (200, b"first")
    assert (second.status, bytes(second.body)) == (201, b"second")
    assert [seen.connection.number for seen in upstream.requests] == [upstream.requests[0].connection.number] * 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_passed_on_with_its_body(
    gateway: Gateway, upstream: Upstream, other_upstream: Upstream, status: int
) -> None:
    """SH-04, SH-05: nothing is followed, here or to another host."""
    location = f"http://{other_upstream.authority}/elsewhere"
    upstream.plays(answer(status, [("Location", location)], b"moved"))

    got = gateway.ask("POST", "/v1/rerank", body=b"{}")

    assert (got.status, got.fields.one("location"), bytes(got.body)) == (status, location, b"moved")
    assert len(upstream.requests) == 1
    assert other_upstream.connections == []


@pytest.mark.parametrize("location", ["/relative?x=%2F#f", "//other.test/x", "http://\xe4.test/ not a url", ""])
def test_location_is_not_rewritten(gateway: Gateway, upstream: Upstream, location: str) -> None:
    """SH-04: nor made absolute, nor quoted."""
    upstream.plays(answer(302, [("Location", location)]))

    assert gateway.ask("GET", "/plain").fields.one("location") == location


BROKEN_ANSWERS = [
    pytest.param(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="SH-07 CL and TE"),
    pytest.param(b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", id="SH-07 two CLs"),
    pytest.param(b"Content-Length: 5, 6\r\n\r\nabcdef", id="SH-07 CL list that differs"),
    pytest.param(b"Content-Length: abc\r\n\r\nabcde", id="SH-08 abc"),
    pytest.param(b"Content-Length: -5\r\n\r\nabcde", id="SH-08 -5"),
    pytest.param(b"Content-Length: +5\r\n\r\nabcde", id="SH-08 +5"),
    pytest.param(b"Content-Length: 5_0\r\n\r\nabcde", id="SH-08 5_0"),
    pytest.param(b"Content-Length: \r\n\r\nabcde", id="SH-08 empty"),
    pytest.param(b"Transfer-Encoding: gzip\r\n\r\nabcde", id="coding that is not chunked"),
    pytest.param(b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", id="chunked twice"),
    pytest.param(b"Content-Length: 5\r\nX-A: a\rSet-Cookie: evil=1\r\n\r\nabcde", id="SH-13 bare CR"),
    pytest.param(b"Content-Length: 5\r\nX-A: a\nSet-Cookie: evil=1\r\n\r\nabcde", id="SH-13 bare LF"),
    pytest.param(b"X-A: a\x00b\r\nContent-Length: 5\r\n\r\nabcde", id="SH-13 NUL"),
    pytest.param(b"X-A: 1\r\nno colon here\r\nContent-Length: 5\r\n\r\nabcde", id="SH-14 line without colon"),
    pytest.param(b"X-A: 1\r\n folded\r\nContent-Length: 5\r\n\r\nabcde", id="SH-14 line folding"),
    pytest.param(b"X-A : 1\r\nContent-Length: 5\r\n\r\nabcde", id="SH-14 space before colon"),
    pytest.param(b": 1\r\nContent-Length: 5\r\n\r\nabcde", id="SH-14 empty name"),
    pytest.param(b"X\xc3\xa4: 1\r\nContent-Length: 5\r\n\r\nabcde", id="SH-14 name beyond ASCII"),
    pytest.param(b"X-A: " + b"a" * (1 << 20) + b"\r\n\r\n", id="endless field"),
]


@pytest.mark.parametrize("octets", BROKEN_ANSWERS)
def test_broken_head_is_a_502_and_its_connection_is_dropped(client: Client, upstream: Upstream, octets: bytes) -> None:
    upstream.plays(b"HTTP/1.1 200 OK\r\n" + octets, SILENCE)

    got = client.ask("GET", "/plain")

    assert (got.status, gateway_error(got)["code"]) == (502, "upstream_invalid_response")
    assert got.fields.every("set-cookie") == []
    (seen,) = upstream.requests
    assert seen.connection.ended.wait(10)


@pytest.mark.parametrize("lengths", [["5, 5"], ["5", "5"]])
def test_repeated_equal_length_is_one_length_or_a_502(gateway: Gateway, upstream: Upstream, lengths: list[str]) -> None:
    """SH-08: RFC 9110 §8.6 leaves the choice."""
    upstream.plays(head(200, [("Content-Length", length) for length in lengths]) + b"abcde")

    got = gateway.ask("GET", "/plain")

    assert got.is_whole
    assert (got.status, bytes(got.body)) == (200, b"abcde") or got.status == 502


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(
            [
                ("Set-Cookie", "a=1; Expires=Wed, 21 Oct 2035 07:28:00 GMT; Path=/"),
                ("X-Between", "1"),
                ("Set-Cookie", "b=2; HttpOnly"),
            ],
            id="SH-10 Set-Cookie",
        ),
        pytest.param(
            [
                ("WWW-Authenticate", 'Basic realm="a"'), ("Link", "<a>"), ("WWW-Authenticate", "Digest a=b, c=d"),
                ("Vary", "Accept"), ("Link", "<b>; rel=x"), ("Vary", "Origin"), ("Link", "<c>"),
            ],
            id="SH-11 WWW-Authenticate, Link, Vary",
        ),
        pytest.param([("x-request-id", "up-1"), ("X-Under_Score", "1"), ("request-id", "up-2")], id="request ids stay"),
        pytest.param([("X-Latin", "\xe9\xff"), ("X-Empty", ""), ("X-Inner", "a  b\tc")], id="odd values"),
        pytest.param([("X-Long", "a" * 60_000)], id="a long value"),
        pytest.param([(f"X-{i}", str(i)) for i in range(200)], id="many fields"),
        pytest.param(
            [("Cache-Control", "public"), ("ETag", 'W/"x"'), ("Access-Control-Allow-Origin", "*")],
            id="caching and CORS",
        ),
    ],
)  # fmt: skip
def test_fields_come_back_in_order_with_repeats(
    gateway: Gateway, upstream: Upstream, fields: list[tuple[str, str]]
) -> None:
    upstream.plays(answer(401, fields, b"x"))

    got = gateway.ask("GET", "/plain")

    names = {name.lower() for name, _ in fields}
    kept = [(name.lower(), value) for name, value in got.fields if name.lower() in names]
    assert (got.status, kept) == (401, [(name.lower(), value) for name, value in fields])


def test_gateway_adds_request_id_server_and_timing_and_nothing_else(gateway: Gateway, upstream: Upstream) -> None:
    """CONTRACT §3: no Content-Type, Vary or cookie that the upstream did not send."""
    upstream.plays(answer(body=b"x"))

    got = gateway.ask("GET", "/plain")

    assert set(got.fields.names()) - {"connection"} == {
        "content-length", "date", "server", "server-timing", "x-gateway-request-id"
    }  # fmt: skip
    assert got.fields.one("server-timing").startswith("gw;dur=")
    assert "up;dur=" in got.fields.one("server-timing")


def test_request_id_is_the_gateways_own_and_new_each_time(client: Client, upstream: Upstream) -> None:
    upstream.plays(answer(fields=[("x-gateway-request-id", "upstream's")]))

    ids = [client.ask("GET", "/plain", [("x-gateway-request-id", "client's")]).request_id for _ in range(3)]

    assert len(set(ids)) == 3
    assert not {"upstream's", "client's"} & set(ids)


def test_upstreams_server_timing_stays(gateway: Gateway, upstream: Upstream) -> None:
    upstream.plays(answer(fields=[("Server-Timing", "db;dur=53")]))

    got = gateway.ask("GET", "/plain")

    joined = ", ".join(got.fields.every("server-timing"))
    assert "db;dur=53" in joined
    assert "gw;dur=" in joined


def test_hop_by_hop_fields_of_the_answer_end_here(gateway: Gateway, upstream: Upstream) -> None:
    """SH-16: and those that Connection names."""
    upstream.plays(
        answer(
            200,
            [
                ("Connection", "X-Foo"), ("X-Foo", "1"), ("Keep-Alive", "timeout=5"), ("Proxy-Authenticate", "Basic"),
                ("TE", "trailers"), ("Trailer", "X-T"), ("Upgrade", "h2c"),
                ("Proxy-Connection", "close"), ("X-Kept", "1"),
            ],
            b"x",
        )
    )  # fmt: skip

    got = gateway.ask("GET", "/plain")

    gone = {"x-foo", "keep-alive", "proxy-authenticate", "te", "trailer", "upgrade", "proxy-connection"}
    assert not gone & set(got.fields.names())
    assert got.fields.one("x-kept") == "1"
    assert "X-Foo" not in got.fields.every("connection")


@pytest.mark.parametrize("sent", [[], [("Date", "Sat, 29 Oct 1994 19:43:31 GMT"), ("Server", "up/1")]])
def test_date_and_server_stand_once_and_are_the_gateways(
    gateway: Gateway, upstream: Upstream, sent: list[tuple[str, str]]
) -> None:
    """SH-17."""
    upstream.plays(answer(200, sent, b"x"))

    got = gateway.ask("GET", "/plain")

    assert got.fields.one("date") != "Sat, 29 Oct 1994 19:43:31 GMT"
    assert got.fields.one("server") != "up/1"


STATUSES = [
    200, 201, 202, 203, 206, 207, 208, 226, 299, 300, 305, 306, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410,
    411, 412, 413, 416, 418, 421, 422, 426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 511, 520, 529, 599,
    999,
]  # fmt: skip


@pytest.mark.parametrize("status", [pytest.param(status, id=f"SH-19 {status}") for status in STATUSES])
def test_status_is_relayed_with_its_body(gateway: Gateway, upstream: Upstream, status: int) -> None:
    upstream.plays(answer(status, [("Content-Type", "text/x"), ("Retry-After", "7")], b"from the upstream"))

    got = gateway.ask("POST", "/plain", body=b"{}")

    assert (got.status, bytes(got.body), got.is_whole) == (status, b"from the upstream", True)
    assert got.fields.one("content-type") == "text/x"
    assert got.fields.one("retry-after") == "7"
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"HTTP/1.1 200 \r\n", id="SH-20 empty reason"),
        pytest.param(b"HTTP/1.1 200\r\n", id="SH-20 no reason and no space"),
        pytest.param(b"HTTP/1.1 200 Quite Fine, Thanks\r\n", id="SH-20 custom reason"),
        pytest.param(b"HTTP/1.1 200 " + b"x" * 1024 + b"\r\n", id="SH-20 reason of 1 KiB"),
        pytest.param(b"HTTP/1.1 200 Sch\xf6n\r\n", id="SH-20 reason beyond ASCII"),
        pytest.param(b"HTTP/1.0 200 OK\r\n", id="HTTP/1.0"),
    ],
)
def test_reason_does_no_harm(gateway: Gateway, upstream: Upstream, line: bytes) -> None:
    upstream.plays(line + b"Content-Length: 4\r\n\r\nbody", SILENCE)

    got = gateway.ask("GET", "/plain")

    assert (got.status, bytes(got.body), got.is_whole) == (200, b"body", True)


def test_head_answer_has_the_fields_and_no_body(client: Client, upstream: Upstream) -> None:
    """SH-22: both connections stay usable."""
    upstream.plays_in_turn([head(200, [("Content-Length", "10000000"), ("ETag", '"e"')])], [answer(body=b"next")])

    first, second = client.ask("HEAD", "/plain"), client.ask("GET", "/plain")

    assert (first.fields.one("content-length"), first.fields.one("etag"), first.body_bytes) == ("10000000", '"e"', 0)
    assert bytes(second.body) == b"next"
    assert len({seen.connection.number for seen in upstream.requests}) == 1


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([("Transfer-Encoding", "chunked")], id="SH-22 chunked"),
        pytest.param([], id="SH-22 no framing"),
        pytest.param([("Content-Length", "0")], id="SH-22 length 0"),
    ],
)
def test_head_answer_of_any_framing_leaves_the_connection_usable(
    client: Client, upstream: Upstream, fields: list[tuple[str, str]]
) -> None:
    upstream.plays_in_turn([head(200, fields)], [answer(body=b"next")])

    first, second = client.ask("HEAD", "/plain"), client.ask("GET", "/plain")

    assert (first.status, first.body_bytes, first.is_whole) == (200, 0, True)
    assert bytes(second.body) == b"next"


@pytest.mark.parametrize(
    ("method", "octets"),
    [
        pytest.param("GET", head(204) + b"illegal", id="SH-23 204"),
        pytest.param("GET", head(204, [("Content-Length", "7")]) + b"illegal", id="SH-23 204 with a length"),
        pytest.param("GET", head(304, [("ETag", '"e"')]) + b"illegal", id="SH-23 304"),
        pytest.param("GET", head(304, [("Content-Length", "7")]) + b"illegal", id="SH-23 304 with a length"),
        pytest.param("GET", head(204) + answer(body=b"forged"), id="SH-23 204 and a forged answer"),
        pytest.param("HEAD", answer(body=b"illegal"), id="SH-23 HEAD"),
    ],
)
def test_illegal_body_is_discarded_with_its_connection(
    client: Client, upstream: Upstream, method: str, octets: bytes
) -> None:
    upstream.plays_in_turn([octets], [answer(body=b"next")])

    first, second = client.ask(method, "/plain"), client.ask("GET", "/plain")

    assert (first.body_bytes, first.is_whole) == (0, True)
    assert bytes(second.body) == b"next"
    one, other = upstream.requests
    assert one.connection is not other.connection
    assert one.connection.ended.wait(10)


@pytest.mark.parametrize("status", [204, 304])
def test_answer_without_body_keeps_its_fields(client: Client, upstream: Upstream, status: int) -> None:
    upstream.plays_in_turn([head(status, [("ETag", '"e"'), ("X-A", "1")])], [answer(body=b"next")])

    first, second = client.ask("GET", "/plain"), client.ask("GET", "/plain")

    assert (first.status, first.fields.one("etag"), first.fields.one("x-a")) == (status, '"e"', "1")
    assert bytes(second.body) == b"next"


def test_cookies_do_not_survive_an_exchange(client: Client, upstream: Upstream) -> None:
    """SH-25: the second request runs through the same worker and the same upstream connection."""
    upstream.plays(answer(200, [("Set-Cookie", "sid=of-client-a; Path=/")], b"x"))

    for _ in range(2):
        client.ask("GET", "/open")

    assert [seen.fields.every("cookie") for seen in upstream.requests] == [[], []]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/nowhere", 404, id="SH-26 404"),
        pytest.param("POST", "/readonly", 405, id="SH-26 405"),
        pytest.param("GET", "/tree/..", 400, id="SH-26 400"),
        pytest.param("GET", "/refused", 502, id="SH-26 502"),
    ],
)
def test_gateways_own_errors_are_not_cached_and_set_nothing(
    gateway: Gateway, upstream: Upstream, method: str, path: str, status: int
) -> None:
    got = gateway.ask(method, path)

    assert got.status == status
    assert gateway_error(got)["message"]
    assert not {"vary", "set-cookie", "location", "etag"} & set(got.fields.names())
    assert upstream.octets == 0


def test_gateway_error_of_a_head_request_has_no_body(client: Client, upstream: Upstream) -> None:
    first, second = client.ask("HEAD", "/nowhere"), client.ask("GET", "/plain")

    assert (first.status, first.body_bytes, second.status) == (404, 0, 200)


def test_upstreams_trailers_do_not_become_fields(gateway: Gateway, upstream: Upstream) -> None:
    upstream.plays(head(200, [("Transfer-Encoding", "chunked")]) + chunk(b"x") + b"0\r\nSet-Cookie: evil=1\r\n\r\n")

    got = gateway.ask("GET", "/plain")

    assert (bytes(got.body), got.is_whole) == (b"x", True)
    assert got.fields.every("set-cookie") == []


def test_answer_to_an_http_1_0_client_ends_with_the_connection(gateway: Gateway, upstream: Upstream) -> None:
    """Chunked coding is unknown to it (RFC 9112 §6.1)."""
    upstream.plays(head(200, [("Transfer-Encoding", "chunked")]) + chunk(b"one") + chunk(b"two") + chunk(b""))
    client = gateway.client()
    client.send(b"GET /plain HTTP/1.0\r\n\r\n")

    got = client.answer()

    assert (got.fields.every("transfer-encoding"), bytes(got.body)) == ([], b"onetwo")


def test_client_that_asks_for_close_gets_it(client: Client, upstream: Upstream) -> None:
    upstream.plays(repeat(answer(body=b"x"), 1), FIN)

    assert client.ask("GET", "/plain", [("Connection", "close")]).is_whole
    assert client.is_closed_by_peer()
    assert len(upstream.requests) == 1
