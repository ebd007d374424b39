"""RELIABILITY group RB: the client's body, octet for octet, never taken for whole when it is not."""

from __future__ import annotations

import hashlib
import select
import threading

import pytest

from tests.kit.claims import assert_refused, gateway_error
from tests.kit.client import Client, request, request_head
from tests.kit.gateway import Gateway
from tests.kit.upstream import CLOSE, FIN, SILENCE, Upstream, answer, chunk, wait

MIB = 1 << 20
BLOCK = bytes(range(256)) * 4096
CHUNKED = ("Transfer-Encoding", "chunked")


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 1_000_003])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET", "OPTIONS"])
def test_known_length_stays_a_known_length(gateway: Gateway, upstream: Upstream, method: str, size: int) -> None:
    """RB-01: exactly one framing field, N octets, the same SHA-256."""
    body = BLOCK[:size]

    assert gateway.ask(method, "/open", body=body).status == 200

    (seen,) = upstream.requests
    assert seen.fields.one("content-length") == str(size)
    assert seen.fields.every("transfer-encoding") == []
    assert (seen.whole, seen.sha256) == (True, hashlib.sha256(body).hexdigest())


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([b"one", b"two", b"three"], id="RB-02 three chunks"),
        pytest.param([], id="RB-02 empty"),
        pytest.param([b"x" * 100_000, b"y"], id="RB-02 a large and a small one"),
        pytest.param([b"%d" % i for i in range(500)], id="RB-02 many small ones"),
    ],
)
def test_chunked_stays_chunked(client: Client, upstream: Upstream, chunks: list[bytes]) -> None:
    client.send(request_head("POST", "/open", [CHUNKED]) + b"".join(map(chunk, chunks)) + chunk(b""))

    assert client.answer("POST").status == 200

    (seen,) = upstream.requests
    assert (seen.fields.one("transfer-encoding"), seen.fields.every("content-length")) == ("chunked", [])
    assert (seen.whole, seen.sha256) == (True, hashlib.sha256(b"".join(chunks)).hexdigest())


def test_chunk_extensions_and_odd_sizes_are_read(client: Client, upstream: Upstream) -> None:
    """RB-02: extensions belong to the hop (RFC 9112 §7.1.1)."""
    client.send(request_head("POST", "/open", [CHUNKED]) + b'003;a=b;c="d"\r\nabc\r\nA\r\n0123456789\r\n000\r\n\r\n')

    assert client.answer("POST").status == 200
    assert [(bytes(seen.body), seen.whole) for seen in upstream.requests] == [(b"abc0123456789", True)]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b"Content-Length: 5\r\nTransfer-Encoding: chunked", id="RB-04 CL and TE"),
        pytest.param(b"Transfer-Encoding: chunked\r\nContent-Length: 5", id="RB-04 TE and CL"),
        pytest.param(b"Content-Length: 5\r\nContent-Length: 6", id="RB-04 two CLs"),
        pytest.param(b"Content-Length: 5\r\nContent-Length: 5", id="RB-04 two equal CLs"),
        pytest.param(b"Content-Length: 5, 5", id="RB-04 CL: 5, 5"),
        pytest.param(b"Content-Length: +5", id="RB-04 CL: +5"),
        pytest.param(b"Content-Length: 0x5", id="RB-04 CL: 0x5"),
        pytest.param(b"Content-Length: 5_0", id="RB-04 CL: 5_0"),
        pytest.param(b"Content-Length: -1", id="RB-04 CL: -1"),
        pytest.param(b"Content-Length: ", id="RB-04 CL empty"),
        pytest.param(b"Content-Length: 5 5", id="RB-04 CL with a space"),
        pytest.param(b"Content-Length: 5.0", id="RB-04 CL with a point"),
        pytest.param(b"Content-Length: \xb2", id="RB-04 CL of another digit"),
        pytest.param(b"Transfer-Encoding: xchunked", id="RB-04 TE: xchunked"),
        pytest.param(b"Transfer-Encoding: gzip", id="RB-04 TE: gzip"),
        pytest.param(b"Transfer-Encoding: gzip, chunked", id="RB-04 TE: gzip, chunked"),
        pytest.param(b"Transfer-Encoding: chunked, gzip", id="RB-04 TE: chunked, gzip"),
        pytest.param(b"Transfer-Encoding: identity", id="RB-04 TE: identity"),
        pytest.param(b"Transfer-Encoding: \x0bchunked", id="RB-04 TE with VT"),
        pytest.param(b"Transfer-Encoding: ", id="RB-04 TE empty"),
        pytest.param(b"Transfer-Encoding : chunked", id="RB-04 TE, space before colon"),
        pytest.param(b"Transfer-Encoding: chunked, chunked", id="RB-04 chunked twice"),
        pytest.param(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", id="RB-04 two TEs"),
        pytest.param(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", id="RB-04 two TEs that differ"),
    ],
)
def test_ambiguous_framing_is_refused_and_closed(client: Client, upstream: Upstream, fields: bytes) -> None:
    smuggled = b"GET /open/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

    client.send(b"POST /open HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n\r\n0\r\n\r\n" + smuggled)

    assert_refused(client, upstream, (400, 501))


@pytest.mark.parametrize("name", [b"Transfer_Encoding: chunked", b"Content_Length: 5"])
def test_underscore_does_not_make_a_framing_field(client: Client, upstream: Upstream, name: bytes) -> None:
    """RB-04: WSGI would take Content_Length for Content-Length; either refused, or no framing field anywhere."""
    client.send(b"GET /open HTTP/1.1\r\nHost: a\r\n" + name + b"\r\n\r\n")

    got = client.answer()

    assert got.status in (200, 400)
    assert [
        seen.fields.every("content-length") + seen.fields.every("transfer-encoding") for seen in upstream.requests
    ] in ([], [[]])


def test_chunked_on_http_1_0_is_refused(client: Client, upstream: Upstream) -> None:
    """RB-04: RFC 9112 §6.1 has such framing treated as faulty."""
    client.send(b"POST /open HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")

    assert_refused(client, upstream, (400, 501))


BAD_CHUNKS = [
    pytest.param(b"0x5\r\nabcde\r\n0\r\n\r\n", id="RB-05 0x5"),
    pytest.param(b"-5\r\nabcde\r\n0\r\n\r\n", id="RB-05 -5"),
    pytest.param(b"+5\r\nabcde\r\n0\r\n\r\n", id="RB-05 +5"),
    pytest.param(b"5_0\r\nabcde\r\n0\r\n\r\n", id="RB-05 5_0"),
    pytest.param(b" 5\r\nabcde\r\n0\r\n\r\n", id="RB-05 leading space"),
    pytest.param(b"\r\nabcde\r\n0\r\n\r\n", id="RB-05 no size"),
    pytest.param(b"g\r\nabcde\r\n0\r\n\r\n", id="RB-05 no hex digit"),
    pytest.param(b"5;a\nb\r\nabcde\r\n0\r\n\r\n", id="RB-05 LF in an extension"),
    pytest.param(b"5\nabcde\r\n0\r\n\r\n", id="RB-05 bare LF after the size"),
    pytest.param(b"5\r\nabcde0\r\n\r\n", id="RB-05 missing CRLF"),
    pytest.param(b"5\r\nabcdeXX0\r\n\r\n", id="RB-05 other octets for CRLF"),
    pytest.param(b"f" * 17 + b"\r\nabcde\r\n0\r\n\r\n", id="RB-05 overflow"),
    pytest.param(b"5;" + b"a" * 100_000 + b"\r\nabcde\r\n0\r\n\r\n", id="RB-05 endless extension"),
]


@pytest.mark.parametrize("good", [pytest.param(b"", id="first"), pytest.param(b"3\r\nabc\r\n", id="after a good one")])
@pytest.mark.parametrize("bad", BAD_CHUNKS)
def test_bad_chunk_is_a_400_and_breaks_the_upstream_request(
    client: Client, upstream: Upstream, good: bytes, bad: bytes
) -> None:
    client.send_while_taken(request_head("POST", "/open", [CHUNKED]) + good + bad)

    got = client.answer("POST")

    assert (got.status, gateway_error(got)["code"]) == (400, "invalid_request")
    assert client.is_closed_by_peer()
    for seen in upstream.requests:
        seen.wait_until_finished()
        assert not seen.whole


@pytest.mark.parametrize("leave", [pytest.param(Client.half_close, id="FIN"), pytest.param(Client.reset, id="RST")])
@pytest.mark.parametrize(
    ("framing", "begun", "arrives"),
    [
        pytest.param(("Content-Length", "100"), b"12345", b"12345", id="RB-07 length"),
        pytest.param(CHUNKED, b"5\r\n12345\r\n5\r\n67", b"12345", id="RB-08 in a chunk"),
        pytest.param(CHUNKED, b"5\r\n12345\r\n", b"12345", id="RB-08 before the last chunk"),
        pytest.param(CHUNKED, b"5\r\n12345\r\n0\r\n", b"12345", id="RB-08 before the last line"),
    ],
)
def test_cut_upload_is_cut_for_the_upstream_too(
    gateway: Gateway, upstream: Upstream, framing: tuple[str, str], begun: bytes, arrives: bytes, leave: object
) -> None:
    client = gateway.client()
    client.send(request_head("POST", "/open", [framing]) + begun)
    seen = upstream.wait_for_request()
    seen.wait_for_body(len(arrives))

    leave(client)  # type: ignore[operator]

    assert seen.connection.ended.wait(10)
    assert not seen.whole
    assert seen.connection.requests[-1] is seen


def test_connection_of_a_cut_upload_is_not_used_again(gateway: Gateway, upstream: Upstream) -> None:
    """RB-07: with requests of others right behind it, on every worker."""
    client = gateway.client()
    client.send(request_head("POST", "/open", [("Content-Length", "100")]) + b"12345")
    cut = upstream.wait_for_request()
    cut.wait_for_body(5)
    client.close()

    after = [gateway.ask("GET", "/plain") for _ in range(8)]

    assert {got.status for got in after} == {200}
    assert cut.connection.ended.wait(10)
    assert [seen.target for seen in cut.connection.requests if seen.target == "/plain"] == []


def test_upload_is_streamed_with_bounded_memory(gateway: Gateway, upstream: Upstream) -> None:
    """RB-10: 64 MiB here; the 1 GiB run is the bench's. First octets arrive before the rest is sent."""
    assert gateway.ask("POST", "/open", body=BLOCK).status == 200
    upstream.forget()
    before_kib = gateway.high_water_kib()
    client = gateway.client()

    client.send(request_head("POST", "/open", [("Content-Length", str(64 * MIB))]) + BLOCK[:1024])
    seen = upstream.wait_for_request()
    seen.wait_for_body(1024)
    client.send(BLOCK[1024:])
    for _ in range(63):
        client.send(BLOCK)
    got = client.answer("POST")

    assert got.status == 200
    assert (seen.whole, seen.sha256) == (True, hashlib.sha256(BLOCK * 64).hexdigest())
    assert gateway.high_water_kib() - before_kib < 16 * 1024


def test_slow_upstream_holds_the_client_back(gateway: Gateway, upstream: Upstream) -> None:
    """RB-10: of 128 MiB on offer, little more than the sockets' buffers is taken; memory stays flat."""
    assert gateway.ask("POST", "/open", body=BLOCK).status == 200
    before_kib = gateway.high_water_kib()
    upstream.plays_unread(wait(threading.Event()))
    client = gateway.client()
    client.send(request_head("POST", "/open", [("Content-Length", str(128 * MIB))]))
    writable = select.poll()
    writable.register(client.sock, select.POLLOUT)

    taken = 0
    while taken < 128 * MIB and writable.poll(500):
        taken += client.sock.send(BLOCK[: 1 << 16])

    assert taken < 64 * MIB
    assert gateway.high_water_kib() - before_kib < 16 * 1024
    assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    "framing", [pytest.param(("Content-Length", "30"), id="length"), pytest.param(CHUNKED, id="chunked")]
)
def test_slow_upload_arrives_as_it_is_sent(client: Client, upstream: Upstream, framing: tuple[str, str]) -> None:
    """RB-11: each piece is sent after the one before has arrived. That no worker time-out ends it is the bench's."""
    client.send(request_head("POST", "/open", [framing]))

    for i in range(10):
        client.send(b"abc" if framing is not CHUNKED else chunk(b"abc"))
        upstream.wait_for_request().wait_for_body(3 * (i + 1))
    client.send(b"" if framing is not CHUNKED else chunk(b""))

    assert client.answer("POST").status == 200
    assert upstream.requests[0].whole


@pytest.mark.parametrize(
    "ends", [pytest.param(FIN, id="RB-13 FIN, then reads on"), pytest.param(CLOSE, id="RB-13 closes unread")]
)
def test_early_answer_of_a_closing_upstream_arrives(client: Client, upstream: Upstream, ends: object) -> None:
    upstream.plays_unread(answer(413, [("X-Why", "size"), ("Connection", "close")], b"too much"), ends)  # type: ignore[arg-type]
    sending = client.send_in_background(request("POST", "/open", body=BLOCK * 5))

    got = client.answer("POST")

    sending.join()
    assert (got.status, got.fields.one("x-why"), bytes(got.body)) == (413, "size", b"too much")
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "framing", [pytest.param(("Content-Length", "5000000"), id="length"), pytest.param(CHUNKED, id="chunked")]
)
def test_early_answer_arrives_while_the_upload_stands_still(
    client: Client, upstream: Upstream, framing: tuple[str, str]
) -> None:
    """RB-13: the client gets the answer without sending an octet more; the upload is ended on both sides."""
    upstream.plays_unread(answer(401, body=b"who?"), SILENCE)
    client.send(request_head("POST", "/open", [framing]) + chunk(b"12345"))

    got = client.answer("POST")

    assert (got.status, bytes(got.body)) == (401, b"who?")
    (seen,) = upstream.requests
    assert seen.connection.ended.wait(10)
    assert not seen.whole


@pytest.mark.parametrize(
    "framing", [pytest.param(("Content-Length", "10"), id="length"), pytest.param(CHUNKED, id="chunked")]
)
def test_upload_that_stands_still_is_given_up(client: Client, upstream: Upstream, framing: tuple[str, str]) -> None:
    """RB-11: at the route's idle time-out of 0.5 s, here; nothing whole reaches the upstream."""
    client.send(request_head("POST", "/idle", [framing]) + chunk(b"abc"))

    got = client.answer("POST")

    assert (got.status, gateway_error(got)["code"]) == (408, "request_timeout")
    assert client.is_closed_by_peer()
    seen = upstream.wait_for_request()
    assert seen.connection.ended.wait(10)
    assert not seen.whole


SMUGGLED = request("GET", "/plain") * 50_000


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("POST", "/nowhere", 404, id="RB-14 no route"),
        pytest.param("POST", "/readonly", 405, id="RB-14 method"),
        pytest.param("POST", "/tree/../x", 400, id="RB-14 path"),
        pytest.param("POST", "/refused", 502, id="RB-14 upstream unreachable"),
    ],
)
def test_body_of_a_refused_request_is_never_a_request(
    client: Client, upstream: Upstream, method: str, path: str, status: int
) -> None:
    """RB-14: megabytes that spell requests; 401 and 429 are in test_admission.py and test_limits.py."""
    sending = client.send_in_background(request(method, path, body=SMUGGLED))

    first = client.answer(method)
    sending.join()
    client.send_while_taken(request("GET", "/nowhere"))
    second = client.answer()

    assert (first.status, second.status or second.ending) in [(status, 404), (status, "cut"), (status, "reset")]
    assert upstream.octets == 0


def test_connection_lives_on_after_a_refused_small_body(client: Client, upstream: Upstream) -> None:
    """RB-14: drained within a bound."""
    first = client.ask("POST", "/nowhere", body=b"x" * 1000)
    second = client.ask("POST", "/plain", body=b"mine")

    assert (first.status, second.status) == (404, 200)
    assert [bytes(seen.body) for seen in upstream.requests] == [b"mine"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param(
            'multipart/form-data; boundary="odd \'()+_,-./:=? one"',
            b'--odd \'()+_,-./:=? one\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n\x00\xff\r\n\n\r'
            b"\r\n--odd '()+_,-./:=? one--\r\nepilogue",
            id="RB-16 multipart with NUL",
        ),
        pytest.param("multipart/form-data", b"\x00no boundary at all", id="RB-16 multipart without boundary"),
        pytest.param("application/x-www-form-urlencoded", b"a=%zz&&=;+", id="RB-16 form"),
        pytest.param("application/json", b'{"a":1,"a":2}', id="RB-17 duplicate keys"),
        pytest.param("application/json", b"[9223372036854775807, 1.0, 1e400, 0.1e1]", id="RB-17 numbers"),
        pytest.param("application/json", b"[NaN, Infinity, -0]", id="RB-17 NaN"),
        pytest.param("application/json", b"\xef\xbb\xbf{} \r\n\t ", id="RB-17 BOM, trailing spaces"),
        pytest.param("application/json", b"{broken", id="RB-17 no JSON"),
        pytest.param("application/octet-stream", bytes(range(256)), id="RB-16 every octet"),
    ],
)
def test_body_travels_octet_for_octet(gateway: Gateway, upstream: Upstream, content_type: str, body: bytes) -> None:
    assert gateway.ask("POST", "/plain", [("Content-Type", content_type)], body).status == 200

    (seen,) = upstream.requests
    assert (seen.fields.one("content-type"), bytes(seen.body)) == (content_type, body)


def test_body_without_content_type_gets_none(gateway: Gateway, upstream: Upstream) -> None:
    assert gateway.ask("POST", "/plain", body=b"x").status == 200

    assert upstream.requests[0].fields.every("content-type") == []


def test_pipelined_requests_are_answered_in_order(client: Client, upstream: Upstream) -> None:
    """RB-19: two in one segment, the first with a body."""
    upstream.plays_in_turn([answer(body=b"first")], [answer(body=b"second")], [answer(body=b"third")])

    client.send(request("POST", "/tree/1", body=b"GET /x") + request("GET", "/tree/2") + request("GET", "/tree/3"))
    got = [bytes(client.answer(method).body) for method in ("POST", "GET", "GET")]

    assert got == [b"first", b"second", b"third"]
    assert [(seen.target, bytes(seen.body)) for seen in upstream.requests] == [
        ("/base/1", b"GET /x"), ("/base/2", b""), ("/base/3", b""),
    ]  # fmt: skip


def test_octets_after_the_body_are_a_request_of_their_own(client: Client, upstream: Upstream) -> None:
    """RB-20: and, being none, are refused."""
    client.send(request("POST", "/plain", body=b"12345") + b"XXXXX\r\n\r\n")

    first, second = client.answer("POST"), client.answer("POST")

    assert (first.status, second.status) == (200, 400)
    assert client.is_closed_by_peer()
    assert [bytes(seen.body) for seen in upstream.requests] == [b"12345"]
    assert b"XXXXX" not in upstream.requests[0].connection.raw


def test_trailers_are_dropped(client: Client, upstream: Upstream) -> None:
    """RB-22: never merged into the fields."""
    client.send(request_head("POST", "/open", [CHUNKED]) + b"3\r\nabc\r\n0\r\nX-T: 1\r\nX-Other: 2\r\n\r\n")

    assert client.answer("POST").status == 200

    (seen,) = upstream.requests
    assert (seen.whole, seen.trailers) == (True, [])
    assert not {"x-t", "x-other"} & set(seen.fields.names())


@pytest.mark.parametrize(
    "trailer",
    [
        pytest.param(b"Content-Length: 5", id="RB-23 Content-Length"),
        pytest.param(b"Host: other.test", id="RB-23 Host"),
        pytest.param(b"Transfer-Encoding: chunked", id="RB-23 Transfer-Encoding"),
        pytest.param(b"X-T 1", id="RB-23 no colon"),
        pytest.param(b"X-T: a\x00b", id="RB-23 NUL"),
    ],
)
def test_forbidden_trailer_is_a_400(client: Client, upstream: Upstream, trailer: bytes) -> None:
    client.send(request_head("POST", "/open", [CHUNKED]) + b"3\r\nabc\r\n0\r\n" + trailer + b"\r\n\r\n")

    got = client.answer("POST")

    assert (got.status, gateway_error(got)["code"]) == (400, "invalid_request")
    assert client.is_closed_by_peer()
    for seen in upstream.requests:
        seen.wait_until_finished()
        assert not seen.whole


HALF_MIB = MIB // 2


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_size_limit_counts_octets_of_the_body(
    small_gateway: Gateway, upstream: Upstream, framing: str, extra: int
) -> None:
    """CONTRACT §3: max_request_size_mb, here 0.5."""
    body = BLOCK[:HALF_MIB] + b"x" * extra
    client = small_gateway.client()
    fields = [("Content-Length", str(len(body)))] if framing == "length" else [CHUNKED]
    octets = body if framing == "length" else chunk(body) + chunk(b"")
    sending = client.send_in_background(request_head("POST", "/plain", fields) + octets)

    got = client.answer("POST")

    sending.join()
    assert got.status == (413 if extra else 200)
    for seen in upstream.requests:
        seen.wait_until_finished()
        assert seen.whole == (not extra)
    if extra:
        assert gateway_error(got)["code"] == "request_too_large"


def test_announced_size_over_the_limit_is_a_413_before_more_is_read(small_gateway: Gateway, upstream: Upstream) -> None:
    client = small_gateway.client()
    client.send(request_head("POST", "/plain", [("Content-Length", str(HALF_MIB + 1)), ("Expect", "100-continue")]))

    got = client.answer("POST")

    assert (got.status, got.informational, gateway_error(got)["code"]) == (413, [], "request_too_large")
    assert upstream.octets == 0
