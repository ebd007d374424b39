"""CONTRACT §3, the table of failures, with the simple rows of RELIABILITY group CF."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.kit import canaries
from tests.kit.claims import gateway_error
from tests.kit.client import Answer, Client, request
from tests.kit.gateway import Gateway
from tests.kit.upstream import FIN, RST, SILENCE, Step, Turn, Upstream, answer, chunk, head, wait
from tests.kit.waiting import eventually

SSE = ("Content-Type", "text/event-stream")
CHUNKED = ("Transfer-Encoding", "chunked")


def assert_tells_nothing(body: bytes, *addresses: object) -> None:
    """Check that an error's text has no secret, no address of an upstream and no traceback."""
    assert canaries.found(body) == []
    for word in ("127.0.0.1", "localhost", "no-such-host", "secret-path", "Traceback", 'File \\"', *addresses):
        assert str(word).encode() not in body, word


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504, 529])
def test_error_of_the_upstream_is_unchanged(gateway: Gateway, upstream: Upstream, status: int) -> None:
    body = b'{"message": "too large", "code": 1}  '
    upstream.plays(answer(status, [("Content-Type", "application/json"), ("Retry-After", "3")], body))

    got = gateway.ask("POST", "/v1/rerank", body=b"{}")

    assert (got.status, bytes(got.body), got.fields.one("retry-after")) == (status, body, "3")
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        pytest.param("/refused", 502, "upstream_unreachable", id="CF-01 refused"),
        pytest.param("/unresolved", 502, "upstream_unreachable", id="CF-01 name not resolved"),
        pytest.param("/backlog", 504, "upstream_timeout", id="CF-02 connect never completes"),
        pytest.param("/tls/self-signed", 502, "upstream_unreachable", id="CF-11 self-signed"),
        pytest.param("/tls/expired", 502, "upstream_unreachable", id="CF-11 expired"),
        pytest.param("/tls/wrong-name", 502, "upstream_unreachable", id="CF-11 wrong name"),
        pytest.param("/tls/none", 502, "upstream_unreachable", id="CF-11 no TLS at all"),
    ],
)
def test_unreachable_upstream_is_told_without_its_address(
    gateway: Gateway, upstream: Upstream, path: str, status: int, code: str
) -> None:
    got = gateway.ask("POST", path, body=b"{}")

    assert (got.status, gateway_error(got)["code"]) == (status, code)
    assert_tells_nothing(bytes(got.body), upstream.port)
    assert upstream.requests == []


@pytest.mark.parametrize("name", ["self-signed", "expired", "wrong-name"])
def test_no_octet_goes_to_an_upstream_with_a_bad_certificate(
    gateway: Gateway, tls_upstreams: dict[str, Upstream], name: str
) -> None:
    """CF-11."""
    assert gateway.ask("POST", f"/tls/{name}", body=b"secret").status == 502

    assert (tls_upstreams[name].requests, tls_upstreams[name].octets) == ([], 0)


def test_certificate_of_the_operators_authority_is_trusted(
    gateway: Gateway, tls_upstreams: dict[str, Upstream]
) -> None:
    """CONTRACT §3: SSL_CERT_FILE; twice on one connection."""
    client = gateway.client()

    assert [client.ask("POST", "/tls/good", body=b"x").status for _ in range(2)] == [200, 200]

    requests = tls_upstreams["good"].requests
    assert len({seen.connection.number for seen in requests}) == 1
    assert {seen.fields.one("authorization") for seen in requests} == {f"bearer {canaries.OPERATOR['CREDENTIAL']}"}
    tls_upstreams["good"].forget()


def test_silent_upstream_is_a_504(gateway: Gateway, upstream: Upstream) -> None:
    """CF-04: and the slot is freed: its connection ends."""
    upstream.plays(SILENCE)

    got = gateway.ask("POST", "/quick", body=b"{}")

    assert (got.status, gateway_error(got)["code"]) == (504, "upstream_timeout")
    assert_tells_nothing(bytes(got.body), upstream.port)
    assert upstream.wait_for_request().connection.ended.wait(10)


def test_upstream_that_stays_silent_after_a_103_is_a_504(gateway: Gateway, upstream: Upstream) -> None:
    """CF-04: an informational answer is no first byte of the answer that counts."""
    upstream.plays(b"HTTP/1.1 103 Early Hints\r\n\r\n", SILENCE)

    assert gateway.ask("GET", "/quick").status == 504
    assert upstream.wait_for_request().connection.ended.wait(10)


def test_endless_informational_answers_end_in_an_error(gateway: Gateway, upstream: Upstream) -> None:
    """CF-04, SH-02: they hold neither the slot nor the memory for longer than the deadline."""
    upstream.plays(lambda turn: turn.flood(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"))

    assert gateway.ask("GET", "/quick").status in (502, 504)
    assert upstream.wait_for_request().connection.ended.wait(10)


def test_half_a_head_and_silence_is_a_504(gateway: Gateway, upstream: Upstream) -> None:
    """CF-04."""
    upstream.plays(b"HTTP/1.1 200 OK\r\nX-A: ", SILENCE)

    assert gateway.ask("GET", "/quick").status == 504
    assert upstream.wait_for_request().connection.ended.wait(10)


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(head(200, [("Content-Length", "100")]) + b"half", id="CF-05 length"),
        pytest.param(head(200, [CHUNKED]) + chunk(b"half"), id="CF-05 chunked"),
        pytest.param(head(200) + b"half", id="CF-05 close"),
    ],
)
def test_upstream_that_falls_silent_is_broken_off(gateway: Gateway, upstream: Upstream, begun: bytes) -> None:
    """CF-05: at the idle deadline, and shown as incomplete."""
    upstream.plays(begun, SILENCE)

    got = gateway.ask("GET", "/idle")

    assert (got.status, got.ending in ("cut", "reset"), bytes(got.body)) == (200, True, b"half")
    assert upstream.requests[0].connection.ended.wait(10)
    assert gateway.exchange(got.request_id)["outcome"] == "upstream_failed"


def test_total_deadline_ends_an_answer_that_never_pauses(gateway: Gateway, upstream: Upstream) -> None:
    upstream.plays(head(200, [SSE, CHUNKED]), lambda turn: turn.flood(chunk(b"data: x\n\n")))

    def ask() -> Answer | None:
        got = gateway.ask("GET", "/brief")
        assert got.status in (200, 504)
        return got if got.status == 200 else None

    # On a busy machine the time may be over before an answer has begun.
    got = eventually(ask, 30, "an answer that has begun")

    assert got.ending in ("cut", "reset")
    assert upstream.wait_for_requests(1)[-1].connection.ended.wait(10)


def then_tell(ends: Callable[[Turn], None], ended: threading.Event) -> Step:
    """Return the step that ends the connection and tells the test when the kernel has done so."""

    def end_and_tell(turn: Turn) -> None:
        ends(turn)
        ended.set()

    return end_and_tell


@pytest.mark.parametrize(
    "ends",
    [
        pytest.param(Turn.shut, id="CF-07 FIN"),
        pytest.param(Turn.close, id="CF-07 close"),
        pytest.param(Turn.reset, id="CF-07 RST"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_dead_idle_connection_is_replaced(
    client: Client, upstream: Upstream, method: str, ends: Callable[[Turn], None]
) -> None:
    """CF-07: the upstream closed it before it was used again."""
    closing, ended = threading.Event(), threading.Event()
    upstream.plays_in_turn([answer(body=b"first"), wait(closing), then_tell(ends, ended)], [answer(body=b"second")])
    body = b"{}" if method == "POST" else None
    first = client.ask(method, "/open", body=body)
    closing.set()
    assert ended.wait(5)

    second = client.ask(method, "/open", body=body)

    assert (bytes(first.body), second.status, bytes(second.body)) == (b"first", 200, b"second")
    assert len(upstream.requests) == 2
    assert upstream.requests[0].connection is not upstream.requests[1].connection


@pytest.mark.parametrize("ends", [pytest.param(FIN, id="FIN"), pytest.param(RST, id="RST")])
@pytest.mark.parametrize(
    ("method", "body"),
    [
        pytest.param("POST", b"{}", id="CF-08 POST"),
        pytest.param("POST", b"x" * 300_000, id="CF-08 long POST"),
        pytest.param("DELETE", None, id="CF-08 DELETE"),
        pytest.param("GET", None, id="CF-08 GET"),
    ],
)
def test_request_read_on_a_reused_connection_is_never_sent_twice(
    client: Client, upstream: Upstream, method: str, body: bytes | None, ends: Step
) -> None:
    """CF-08: what may have been processed is not replayed."""
    upstream.plays_in_turn([answer(body=b"first")], [ends])
    client.ask("GET", "/plain")

    got = client.ask(method, "/open", body=body)

    assert (got.status, gateway_error(got)["code"]) == (502, "upstream_unreachable")
    first, second = upstream.requests
    assert first.connection is second.connection
    assert (second.method, second.whole) == (method, True)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("ends", [pytest.param(RST, id="CF-14 RST"), pytest.param(FIN, id="CF-14 FIN")])
def test_end_before_the_head_is_a_502(gateway: Gateway, upstream: Upstream, method: str, ends: Step) -> None:
    """CF-14: once upstream."""
    upstream.plays(ends)

    got = gateway.ask(method, "/open", body=b"{}" if method == "POST" else None)

    assert (got.status, gateway_error(got)["code"]) == (502, "upstream_unreachable")
    assert_tells_nothing(bytes(got.body), upstream.port)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="CF-10 SSH banner"),
        pytest.param(b"<html>canary-client-query-77ab</html>", id="CF-10 HTTP/0.9"),
        pytest.param(b"\x15\x03\x01\x00\x02\x02\x46", id="CF-10 TLS record"),
        pytest.param(b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", id="CF-10 HTTP/2.0"),
        pytest.param(b"HTTP/1.1 99 Odd\r\nContent-Length: 0\r\n\r\n", id="CF-10 status of two digits"),
        pytest.param(b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n", id="CF-10 status is no number"),
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", id="CF-10 unasked 101"),
        pytest.param(b"\r\n\r\n", id="CF-10 empty lines"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="CF-10 half a head"),
    ],
)
def test_answer_that_is_no_http_is_a_502(gateway: Gateway, upstream: Upstream, octets: bytes) -> None:
    upstream.plays(octets, FIN)

    got = gateway.ask("GET", "/plain")

    assert (got.status, gateway_error(got)["code"]) == (502, "upstream_invalid_response")
    assert_tells_nothing(bytes(got.body), upstream.port)
    assert upstream.requests[0].connection.ended.wait(10)


def test_reset_after_the_head_is_shown(client: Client, upstream: Upstream) -> None:
    """CF-13: no body octet came; the client must not take it for an empty body."""
    go = threading.Event()
    upstream.plays(head(200, [CHUNKED]), wait(go), RST)
    client.send(request("GET", "/plain"))
    got = client.begin_answer()
    go.set()

    assert client.finish(got).ending in ("cut", "reset")
    assert len(upstream.requests) == 1


def test_proxies_of_the_environment_are_not_used(gateway: Gateway, upstream: Upstream, proxy_trap: Upstream) -> None:
    """CF-19: HTTP_PROXY, HTTPS_PROXY and ALL_PROXY of the gateway name a trap."""
    assert gateway.ask("GET", "/plain").status == 200
    assert gateway.ask("GET", "/tls/good").status == 200

    assert len(upstream.requests) == 1
    assert proxy_trap.connections == []


def test_netrc_is_not_used(gateway: Gateway, upstream: Upstream) -> None:
    """CF-20: the gateway's home has a .netrc with an entry for the target."""
    assert gateway.ask("GET", "/plain").status == 200
    assert gateway.ask("GET", "/v1/rerank").status == 200

    plain, rerank = upstream.requests
    assert plain.fields.every("authorization") == []
    assert rerank.fields.one("authorization") == f"bearer {canaries.OPERATOR['CREDENTIAL']}"


def error_in(dialect: str, body: bytes) -> Any:
    """Return the message of an error in the shape that the dialect's own SDK reads."""
    error = json.loads(body)
    match dialect:
        case "openai":
            return error["error"]["message"]
        case "anthropic":
            assert (error["type"], set(error["error"]) >= {"type", "message"}) == ("error", True)
            return error["error"]["message"]
        case "google":
            assert (error["error"]["code"], bool(error["error"]["status"])) == (502, True)
            return error["error"]["message"]
        case _:  # bedrock, cohere and langfuse read a message at the top.
            return error["message"]


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "google", "bedrock", "cohere", "langfuse"])
def test_error_speaks_the_routes_dialect(gateway: Gateway, upstream: Upstream, dialect: str) -> None:
    got = gateway.ask("POST", f"/dialect/{dialect}", body=b"{}")

    assert (got.status, got.fields.one("cache-control")) == (502, "no-store")
    assert got.fields.one("content-type").startswith("application/json")
    assert error_in(dialect, bytes(got.body))
    assert_tells_nothing(bytes(got.body))
    assert bool(got.fields.every("x-amzn-errortype")) == (dialect == "bedrock")
    assert upstream.octets == 0


@pytest.mark.parametrize("ends", [pytest.param(FIN, id="FIN"), pytest.param(RST, id="RST")])
@pytest.mark.parametrize(
    ("dialect", "begins"),
    [
        pytest.param("openai", b'data: {"error": {', id="openai"),
        pytest.param("anthropic", b"event: error\ndata: {", id="anthropic"),
        pytest.param("google", b'data: {"error": {', id="google"),
    ],
)
def test_broken_event_stream_ends_with_an_error_event_and_a_break(
    client: Client, upstream: Upstream, dialect: str, begins: bytes, ends: Step
) -> None:
    go = threading.Event()
    upstream.plays(head(200, [SSE, CHUNKED]), chunk(b"data: 1\n\ndata: ha"), wait(go), ends)
    client.send(request("GET", f"/stream/{dialect}"))
    got = client.begin_answer()
    client.read_until(got, b"data: ha")
    go.set()
    client.finish(got)

    assert got.ending in ("cut", "reset")
    # The half event is ended first, or a parser would take the error for its rest.
    rest = bytes(got.body).removeprefix(b"data: 1\n\ndata: ha")
    assert rest.startswith(b"\n\n" + begins)
    assert rest.endswith(b"\n\n")
    assert json.loads(rest.split(b"data: ", 1)[1])["error"]["message"]
    assert_tells_nothing(rest, upstream.port)


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(head(200, [SSE, ("Content-Length", "100")]) + b"data: half", id="length"),
        pytest.param(head(200, [("Content-Type", "application/json"), CHUNKED]) + chunk(b'{"data: half'), id="JSON"),
        pytest.param(head(200, [SSE, ("Content-Encoding", "gzip"), CHUNKED]) + chunk(b"data: half"), id="coded"),
    ],
)
def test_no_error_event_where_it_would_be_taken_for_the_body(client: Client, upstream: Upstream, begun: bytes) -> None:
    """Not within an announced length, nor in a body that is no plain event stream."""
    go = threading.Event()
    upstream.plays(begun, wait(go), FIN)
    client.send(request("GET", "/plain"))
    got = client.begin_answer()
    client.read_until(got, b"data: half")
    go.set()
    client.finish(got)

    assert (got.ending in ("cut", "reset"), bytes(got.body).endswith(b"data: half")) == (True, True)
