"""RELIABILITY group RH: which of the client's fields reach the upstream, and what the operator's do to them."""

from __future__ import annotations

import base64
import threading

import pytest

from tests.kit import canaries
from tests.kit.claims import assert_refused, gateway_error
from tests.kit.client import Client, request, request_head
from tests.kit.gateway import Gateway
from tests.kit.upstream import Upstream, answer, head, wait

HOP_BY_HOP = [
    ("Keep-Alive", "timeout=5"),
    ("Proxy-Connection", "keep-alive"),
    ("TE", "trailers"),
    ("Trailer", "X-T"),
    ("Proxy-Authorization", "Basic eA=="),
    ("Proxy-Authenticate", "Basic"),
    ("Upgrade", "foo/2"),
]


def own(seen_names: list[str]) -> list[str]:
    """Return the names without those that every hop makes for itself."""
    return sorted(name for name in seen_names if name not in ("host", "connection"))


def test_hop_by_hop_fields_end_here(gateway: Gateway, upstream: Upstream) -> None:
    """RH-01: with forward_headers: true, and Connection is at most our own."""
    fields = [*HOP_BY_HOP, ("Connection", "keep-alive"), ("X-Kept", "1")]

    assert gateway.ask("GET", "/open", fields).status == 200

    (seen,) = upstream.requests
    assert own(seen.fields.names()) == ["x-kept"]
    assert seen.fields.every("connection") in ([], ["keep-alive"])


def test_fields_named_by_connection_end_here(gateway: Gateway, upstream: Upstream) -> None:
    """RH-02: over several Connection lines, in any case; the body's own fields are not taken away by it."""
    fields = [
        ("Connection", "close, X-Flag"),
        ("Connection", "x-OTHER"),
        ("X-Flag", "1"),
        ("X-Other", "2"),
        ("X-Kept", "3"),
    ]

    assert gateway.ask("GET", "/open", fields).status == 200

    (seen,) = upstream.requests
    assert own(seen.fields.names()) == ["x-kept"]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(
            [
                ("Connection", "Upgrade"), ("Upgrade", "websocket"),
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Version", "13"),
            ],
            id="RH-04 websocket",
        ),
        pytest.param(
            [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")],
            id="RH-05 h2c",
        ),
    ],
)  # fmt: skip
def test_upgrade_is_ignored(gateway: Gateway, upstream: Upstream, fields: list[tuple[str, str]]) -> None:
    answer = gateway.ask("GET", "/open", fields)

    assert (answer.status, bytes(answer.body)) == (200, b"plain answer")
    (seen,) = upstream.requests
    assert not {"upgrade", "http2-settings"} & set(seen.fields.names())
    assert seen.fields.every("connection") in ([], ["keep-alive"])


def test_configured_authorization_wins(gateway: Gateway, upstream: Upstream) -> None:
    """RH-10: exactly one Authorization, the operator's, whatever the case and number of the client's."""
    fields = [("authorization", "Bearer mine"), ("AUTHORIZATION", "Bearer mine too")]

    assert gateway.ask("GET", "/v1/rerank", fields).status == 200

    (seen,) = upstream.requests
    assert seen.fields.one("authorization") == f"bearer {canaries.OPERATOR['CREDENTIAL']}"


KEY = canaries.OPERATOR["MASTER_KEY"]


def basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


@pytest.mark.parametrize(
    ("field", "query"),
    [
        pytest.param(("Authorization", f"Bearer {KEY}"), "", id="RH-07 Bearer"),
        pytest.param(("authorization", f"bearer   {KEY}"), "", id="RH-07 bearer, cased and spaced"),
        pytest.param(("Authorization", KEY), "", id="RH-07 bare"),
        pytest.param(("Authorization", basic(f"{KEY}:x")), "", id="RH-07 user half of Basic"),
        pytest.param(("Authorization", basic(f"x:{KEY}")), "", id="RH-07 password half of Basic"),
        pytest.param(("x-api-key", KEY), "", id="RH-08 x-api-key"),
        pytest.param(("api-key", KEY), "", id="RH-08 api-key"),
        pytest.param(("x-goog-api-key", KEY), "", id="RH-08 x-goog-api-key"),
        pytest.param(("x-litellm-api-key", f"Bearer {KEY}"), "", id="RH-08 x-litellm-api-key"),
        pytest.param(("x-langfuse-public-key", KEY), "", id="RH-08 x-langfuse-public-key"),
        pytest.param(("X-Any-Other", KEY), "", id="RH-08 any header"),
        pytest.param(("x-pass-x-any-other", KEY), "", id="RH-08 x-pass"),
        pytest.param(("X-A", "1"), f"?key={KEY}&x=1", id="RH-08 ?key="),
        pytest.param(("X-A", "1"), f"?a=1&other={KEY.replace('-', '%2D')}", id="RH-08 any query pair, escaped"),
    ],
)
def test_gateway_key_never_reaches_the_upstream(
    gateway: Gateway, upstream: Upstream, field: tuple[str, str], query: str
) -> None:
    """CONTRACT §8: stripped on open routes too, found by value in any carrier; other keys are in test_admission.py."""
    assert gateway.ask("GET", f"/open{query}", [field, ("X-Kept", "1")]).status == 200

    (seen,) = upstream.requests
    for spelling in (KEY, KEY.replace("-", "%2D"), basic(f"{KEY}:x"), basic(f"x:{KEY}")):
        assert spelling.encode() not in seen.raw_head
    assert seen.fields.one("x-kept") == "1"


@pytest.mark.parametrize(
    "field",
    [
        ("Authorization", "Bearer of-somebody-else"),
        ("Authorization", basic("pk:sk")),
        ("Authorization", basic(f"{KEY}x:y")),
        ("Authorization", "Basic %%%"),
        ("x-api-key", f"{KEY}-and-more"),
        ("x-goog-api-key", "theirs"),
    ],
)
def test_credential_that_is_no_gateway_key_is_forwarded(
    gateway: Gateway, upstream: Upstream, field: tuple[str, str]
) -> None:
    """CONTRACT §8."""
    assert gateway.ask("GET", "/open?key=theirs", [field]).status == 200

    (seen,) = upstream.requests
    assert (seen.target, seen.fields.one(field[0])) == ("/open?key=theirs", field[1])


def test_configured_content_type_and_accept_win(gateway: Gateway, upstream: Upstream) -> None:
    """RH-11: the precedence is that of all configured fields."""
    fields = [("Content-Type", "text/plain"), ("Accept", "text/html")]

    assert gateway.ask("POST", "/v1/rerank", fields, b"{}").status == 200

    (seen,) = upstream.requests
    assert seen.fields.one("content-type") == "application/json"
    assert seen.fields.one("accept") == "application/json"


def test_langfuse_pair_becomes_one_basic_authorization(gateway: Gateway, upstream: Upstream) -> None:
    assert gateway.ask("POST", "/langfuse/api/public/ingestion", [("Authorization", "Basic eDp5")], b"{}").status == 200

    (seen,) = upstream.requests
    assert seen.fields.one("authorization") == f"Basic {canaries.LANGFUSE_BASIC}"
    assert not [name for name in seen.fields.names() if name.startswith("langfuse")]


ALWAYS_SENT = [
    ("Content-Type", "application/x-odd; a=\"b\""),
    ("Content-Encoding", "gzip"),
    ("Content-Language", "de"),
    ("Accept", "text/event-stream"),
    ("Accept-Encoding", "br, gzip;q=0.5"),
    ("Accept-Language", "fr"),
    ("Range", "bytes=0-4"),
    ("If-Range", '"x"'),
    ("If-None-Match", '"y", W/"z"'),
    ("If-Match", "*"),
    ("If-Modified-Since", "Sat, 29 Oct 1994 19:43:31 GMT"),
    ("If-Unmodified-Since", "Sat, 29 Oct 1994 19:43:31 GMT"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("tracestate", "congo=t61rcWkgMzE"),
]  # fmt: skip

NEVER_ASKED_FOR = [
    ("Cookie", "sid=1"),
    ("X-Custom", "1"),
    ("User-Agent", "curl/8"),
    ("Origin", "http://evil.test"),
    ("Referer", "http://evil.test/"),
    ("Authorization", "Bearer theirs"),
    ("x-api-key", "theirs"),
    ("anthropic-version", "2023-06-01"),
    ("X-Forwarded-For", "1.2.3.4"),
]


@pytest.mark.parametrize("field", [pytest.param(field, id=f"always sent: {field[0]}") for field in ALWAYS_SENT])
def test_field_of_body_negotiation_range_and_trace_is_always_sent(
    gateway: Gateway, upstream: Upstream, field: tuple[str, str]
) -> None:
    assert gateway.ask("POST", "/plain", [field], b"x").status == 200

    (seen,) = upstream.requests
    assert seen.fields.one(field[0]) == field[1]


def test_nothing_else_is_sent_without_forwarding(gateway: Gateway, upstream: Upstream) -> None:
    """RH-13: forward_headers is false by default."""
    assert gateway.ask("POST", "/plain", [*NEVER_ASKED_FOR, ("Content-Type", "text/plain")], b"x").status == 200

    (seen,) = upstream.requests
    assert own(seen.fields.names()) == ["content-length", "content-type"]


def test_nothing_else_is_sent_beside_configured_fields(gateway: Gateway, upstream: Upstream) -> None:
    """RH-13: configured fields do not bring the client's along."""
    assert gateway.ask("GET", "/langfuse", NEVER_ASKED_FOR).status == 200

    (seen,) = upstream.requests
    assert own(seen.fields.names()) == ["authorization"]


@pytest.mark.parametrize("path", ["/plain", "/open"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_no_library_field_appears(gateway: Gateway, upstream: Upstream, path: str, method: str) -> None:
    """RH-14: no User-Agent, Accept or Accept-Encoding that nobody sent; no Content-Length without a body."""
    assert gateway.ask(method, path).status == 200

    (seen,) = upstream.requests
    assert own(seen.fields.names()) == []


def test_every_end_to_end_field_is_forwarded_when_asked(gateway: Gateway, upstream: Upstream) -> None:
    fields = [*ALWAYS_SENT, *NEVER_ASKED_FOR, ("x_under_score", "1"), ("X-Empty", ""), ("X-Latin", "\xe9\xff")]

    assert gateway.ask("POST", "/open", fields, b"x").status == 200

    (seen,) = upstream.requests
    arrived = [(name.lower(), value) for name, value in seen.fields if name.lower() not in ("host", "connection")]
    assert [field for field in arrived if field[0] != "content-length"] == [(n.lower(), v) for n, v in fields]


def test_listed_names_and_globs_are_forwarded(gateway: Gateway, upstream: Upstream) -> None:
    fields = [
        ("Anthropic-Version", "1"),
        ("anthropic-beta", "2"),
        ("OpenAI-Beta", "3"),
        ("openai-beta-x", "4"),
        ("X", "5"),
    ]

    assert gateway.ask("GET", "/listed", fields).status == 200

    (seen,) = upstream.requests
    assert own(seen.fields.names()) == ["anthropic-beta", "anthropic-version", "openai-beta"]


def test_repeats_arrive_in_order(gateway: Gateway, upstream: Upstream) -> None:
    """RH-16: and are not joined (CONTRACT §8)."""
    assert gateway.ask("GET", "/open", [("X-Multi", "a"), ("X-Between", "-"), ("x-multi", "b, c")]).status == 200

    (seen,) = upstream.requests
    assert seen.fields.every("x-multi") == ["a", "b, c"]


def test_cookie_lines_become_one(gateway: Gateway, upstream: Upstream) -> None:
    """RH-17: joined as RFC 6265 wants it, not with a comma."""
    assert gateway.ask("GET", "/open", [("Cookie", "a=1"), ("Cookie", "b=2")]).status == 200

    (seen,) = upstream.requests
    assert seen.fields.one("cookie") == "a=1; b=2"


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"X-A: a\x00b", id="RH-19 NUL"),
        pytest.param(b"X-A: a\x0bb", id="RH-19 VT"),
        pytest.param(b"X-A: a\rb", id="RH-19 CR"),
        pytest.param(b"X-A: a\nX-B: b", id="RH-19 bare LF"),
        pytest.param(b"X-A : a", id="RH-19 space before colon"),
        pytest.param(b"X-A\t: a", id="RH-19 tab before colon"),
        pytest.param(b"X-A", id="RH-19 no colon"),
        pytest.param(b": a", id="RH-19 empty name"),
        pytest.param(b"X-A: a\r\n b", id="RH-19 line folding"),
        pytest.param(b" X-A: a", id="RH-19 leading space"),
        pytest.param(b"X(A): a", id="RH-19 name is no token"),
        pytest.param(b"X-\xc3\xa4: a", id="RH-19 name beyond ASCII"),
    ],
)
def test_illegal_field_is_refused_and_closed(client: Client, upstream: Upstream, line: bytes) -> None:
    client.send(b"GET /open HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n\r\n")

    assert_refused(client, upstream)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([(f"X-{i}", "v") for i in range(101)], id="RH-20 101 fields"),
        pytest.param([("X-Long", "a" * (8191 - len("X-Long: ")))], id="RH-20 one of 8,191 octets"),
        pytest.param([(f"X-{i}", "a" * 8000) for i in range(9)], id="RH-20 more than 64 KiB"),
    ],
)
def test_too_large_a_head_is_a_431(client: Client, upstream: Upstream, fields: list[tuple[str, str]]) -> None:
    client.send_while_taken(request("GET", "/open", fields))

    answer = client.answer()

    assert (answer.status, gateway_error(answer)["code"]) == (431, "headers_too_large")
    assert client.is_closed_by_peer()
    assert upstream.octets == 0


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([(f"X-{i}", "v") for i in range(99)], id="RH-20 99 fields and Host"),
        pytest.param([("X-Long", "a" * 8000)], id="RH-20 one of 8,000 octets"),
        pytest.param([(f"X-{i}", "a" * 7500) for i in range(8)], id="RH-20 nearly 64 KiB"),
    ],
)
def test_what_the_front_accepts_reaches_the_upstream(
    gateway: Gateway, upstream: Upstream, fields: list[tuple[str, str]]
) -> None:
    assert gateway.ask("GET", "/open", fields).status == 200

    (seen,) = upstream.requests
    assert [(name, value) for name, value in seen.fields if name.startswith("X-")] == fields


def test_forwarded_fields_travel_as_they_came_and_none_is_added(gateway: Gateway, upstream: Upstream) -> None:
    """RH-22, RH-23: CONTRACT §3 forwards every end-to-end field as it came; the gateway vouches for none."""
    fields = [
        ("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Host", "evil.test"), ("X-Forwarded-Proto", "https"),
        ("Forwarded", "for=1.2.3.4"), ("X-Real-Ip", "1.2.3.4"),
    ]  # fmt: skip

    assert gateway.ask("GET", "/open", fields).status == 200
    assert gateway.ask("GET", "/open").status == 200

    first, second = upstream.requests
    assert [field for field in first.fields if field[0].lower() not in ("host", "connection")] == fields
    assert own(second.fields.names()) == []


def test_host_is_the_targets(gateway: Gateway, upstream: Upstream) -> None:
    """RH-25: also with forward_headers: true."""
    assert gateway.ask("GET", "/open", [("Host", "other.test")]).status == 200

    (seen,) = upstream.requests
    assert seen.fields.one("host") == upstream.authority


def test_expectation_is_met_here_and_the_body_arrives_once(client: Client, upstream: Upstream) -> None:
    """RH-26: the body is held back until the gateway asks for it; Expect is not forwarded."""
    client.send(request_head("POST", "/open", [("Content-Length", "4"), ("Expect", "100-continue")]))

    assert client.sock.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"body")
    answer = client.answer("POST")

    assert answer.status == 200
    (seen,) = upstream.requests
    assert (bytes(seen.body), seen.whole, seen.fields.every("expect")) == (b"body", True, [])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("POST", "/nowhere", 404, id="RH-26 no route"),
        pytest.param("PUT", "/readonly", 405, id="RH-26 method"),
    ],
)
def test_refused_expectation_does_not_ask_for_the_body(
    client: Client, upstream: Upstream, method: str, path: str, status: int
) -> None:
    """RH-26: as with a bad key (test_admission.py)."""
    client.send(request_head(method, path, [("Content-Length", "4"), ("Expect", "100-continue")]))

    answer = client.answer(method)

    assert (answer.status, answer.informational) == (status, [])
    assert upstream.octets == 0


def test_upstreams_final_answer_to_an_expectation_needs_no_body(client: Client, upstream: Upstream) -> None:
    """RH-26: sent before the client, which waits, has sent any of its body."""
    answered = threading.Event()
    upstream.plays_unread(answer(403, body=b"no"), wait(answered))
    client.send(request_head("POST", "/open", [("Content-Length", "4"), ("Expect", "100-continue")]))

    got = client.answer("POST")
    answered.set()

    assert (got.status, bytes(got.body)) == (403, b"no")


@pytest.mark.parametrize(
    ("field", "status", "answered"),
    [
        pytest.param(("Range", "bytes=0-3"), 206, [("Content-Range", "bytes 0-3/9")], id="RH-28 206"),
        pytest.param(("If-None-Match", '"a"'), 304, [("ETag", '"a"')], id="RH-28 304"),
        pytest.param(("If-Range", '"a"'), 412, [("ETag", '"b"')], id="RH-28 412"),
        pytest.param(("Range", "bytes=99-"), 416, [("Content-Range", "bytes */9")], id="RH-28 416"),
        pytest.param(
            ("If-Modified-Since", "Sat, 29 Oct 1994 19:43:31 GMT"), 200, [("Last-Modified", "now")], id="RH-28 200"
        ),
    ],
)
def test_conditions_and_their_answers_are_relayed(
    gateway: Gateway, upstream: Upstream, field: tuple[str, str], status: int, answered: list[tuple[str, str]]
) -> None:
    upstream.plays(head(status, answered) if status == 304 else answer(status, answered, b"some"))

    got = gateway.ask("GET", "/plain", [field])

    assert (got.status, got.is_whole) == (status, True)
    assert all(got.fields.one(name) == value for name, value in answered)
    (seen,) = upstream.requests
    assert seen.fields.one(field[0]) == field[1]


def test_encoded_body_is_not_decoded(gateway: Gateway, upstream: Upstream) -> None:
    """RH-29: these octets are not even gzip."""
    body = b"\x1f\x8b\x08not really gzip\x00\xff"

    assert gateway.ask("POST", "/plain", [("Content-Encoding", "gzip")], body).status == 200

    (seen,) = upstream.requests
    assert (seen.fields.one("content-encoding"), bytes(seen.body)) == ("gzip", body)


def test_x_pass_fields_are_sent_under_their_own_name(gateway: Gateway, upstream: Upstream) -> None:
    assert gateway.ask("GET", "/plain", [("x-pass-anthropic-beta", "a"), ("X-Pass-Cohere-X", "b")]).status == 200

    (seen,) = upstream.requests
    assert own(seen.fields.names()) == ["anthropic-beta", "cohere-x"]
    assert (seen.fields.one("anthropic-beta"), seen.fields.one("cohere-x")) == ("a", "b")


@pytest.mark.parametrize(
    "name",
    ["Authorization", "Cookie", "x-api-key", "api-key", "x-goog-api-key", "Host", "Content-Length", "Transfer-Encoding",
     "Connection", "Upgrade", "Expect", "TE", "Proxy-Authorization"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/plain", "/v1/rerank"])
def test_x_pass_sets_neither_credentials_nor_framing(
    gateway: Gateway, upstream: Upstream, name: str, path: str
) -> None:
    assert gateway.ask("GET", path, [(f"x-pass-{name}", "evil")]).status == 200

    (seen,) = upstream.requests
    assert b"evil" not in seen.raw_head
