"""No secret is ever written: canaries in every place a secret can stand, at LOG_LEVEL=DEBUG.

The end of the session greps the words of all gateways once more (conftest.py), over all that the other tests did.
"""

from __future__ import annotations

import pytest

from tests.kit import canaries
from tests.kit.client import request, request_head
from tests.kit.gateway import Gateway
from tests.kit.upstream import FIN, RST, SILENCE, Step, Upstream, answer, chunk, head

CLIENT_FIELDS = [
    ("Authorization", f"Bearer {canaries.CLIENT_KEY}"),
    ("x-api-key", canaries.CLIENT_KEY),
    ("x-litellm-api-key", canaries.CLIENT_KEY),
    ("x-goog-api-key", canaries.CLIENT_KEY),
    ("Cookie", f"sid={canaries.CLIENT_COOKIE}"),
    ("X-Custom", canaries.CLIENT_KEY),
    ("User-Agent", canaries.CLIENT_COOKIE),
    ("Referer", f"http://x.test/?key={canaries.CLIENT_QUERY}"),
    ("x-pass-authorization", canaries.CLIENT_KEY),
]
BODY = b'{"input": "%b"}' % canaries.CLIENT_BODY.encode()
QUERY = f"key={canaries.CLIENT_QUERY}&api_key={canaries.CLIENT_KEY}"

PATHS = [
    "/v1/rerank", "/open", "/tree/a", "/query", "/defaults", "/langfuse/x", "/quick", "/refused", "/unresolved",
    "/backlog", "/tls/self-signed", "/tls/none", "/dialect/bedrock", "/nowhere", "/readonly", "/tree/%2e%2e",
    "/tree/a#x",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_no_secret_in_words_and_errors(gateway: Gateway, upstream: Upstream, path: str) -> None:
    upstream.plays(answer(200, body=b"x"))

    got = gateway.ask("POST", f"{path}?{QUERY}", CLIENT_FIELDS, BODY)

    gateway.exchange(got.request_id)
    assert canaries.found(bytes(got.body)) == []
    assert canaries.found(str(got.fields).encode()) == []
    assert canaries.found(gateway.words()) == []
    assert len(upstream.requests) <= 1


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([FIN], id="no answer"),
        pytest.param([RST], id="reset"),
        pytest.param([f"HTTP/1.1 {canaries.CLIENT_KEY}\r\n\r\n".encode(), FIN], id="broken status line with a secret"),
        pytest.param([b"HTTP/1.1 200 OK\r\n" + BODY + b"\r\n\r\n", FIN], id="broken field with a secret"),
        pytest.param([head(200, [("Content-Length", canaries.CLIENT_KEY)]), FIN], id="broken length with a secret"),
        pytest.param([head(200, [("Content-Length", "999")]) + b"x", FIN], id="cut body"),
        pytest.param(
            [head(200, [("Transfer-Encoding", "chunked")]) + BODY + b"\r\n", FIN], id="broken chunk with a secret"
        ),
        pytest.param([head(200, [("Content-Type", "text/event-stream")]) + b"data: 1", RST], id="cut stream"),
        pytest.param([SILENCE], id="silence"),
    ],
)
def test_no_secret_when_the_upstream_fails(gateway: Gateway, upstream: Upstream, steps: list[Step]) -> None:
    """DR-17: error texts of libraries quote what they could not read."""
    upstream.plays(*steps)

    got = gateway.ask("POST", f"/quick?{QUERY}", CLIENT_FIELDS, BODY)

    if got.status:  # With half a head the answer may be none at all.
        gateway.exchange(got.request_id)
    assert canaries.found(bytes(got.body)) == []
    assert canaries.found(gateway.words()) == []
    assert len(upstream.wait_for_requests(1)) == 1


CHUNKED_HEAD = request_head("POST", "/open", [("Transfer-Encoding", "chunked")])
SECRET = canaries.CLIENT_KEY.encode()


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"GET /plain?" + SECRET + b" HTTP/9\r\nHost: a\r\n\r\n", id="version"),
        pytest.param(b"GET /plain " + SECRET + b" HTTP/1.1\r\nHost: a\r\n\r\n", id="request line"),
        pytest.param(b"G(T /plain?" + SECRET + b" HTTP/1.1\r\nHost: a\r\n\r\n", id="method"),
        pytest.param(b"GET /plain HTTP/1.1\r\nHost: a\r\nAuthorization : " + SECRET + b"\r\n\r\n", id="field name"),
        pytest.param(b"GET /plain HTTP/1.1\r\nHost: a\r\n" + SECRET + b"\r\n\r\n", id="field without colon"),
        pytest.param(b"GET /plain HTTP/1.1\r\nHost: a\r\nX-A: " + SECRET + b"\x00\r\n\r\n", id="field value"),
        pytest.param(b"GET /plain HTTP/1.1\r\nHost: a\r\nContent-Length: " + SECRET + b"\r\n\r\n", id="length"),
        pytest.param(b"GET /plain HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + SECRET + b"\r\n\r\n", id="coding"),
        pytest.param(b"GET /plain HTTP/1.1\r\nHost: a\r\nX-A: " + SECRET * 1000 + b"\r\n\r\n", id="long field"),
        pytest.param(b"GET /plain?" + SECRET * 1000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", id="long request line"),
        pytest.param(CHUNKED_HEAD + SECRET + b"\r\n", id="chunk size"),
        pytest.param(CHUNKED_HEAD + chunk(b"x") + b"0\r\n" + SECRET + b"\r\n\r\n", id="trailer"),
        pytest.param(SECRET + b"\r\n\r\n", id="no HTTP at all"),
    ],
)  # fmt: skip
def test_no_secret_in_what_the_parser_says(gateway: Gateway, upstream: Upstream, octets: bytes) -> None:
    client = gateway.client()
    client.send_while_taken(octets)

    got = client.answer()

    gateway.exchange(got.request_id)
    assert got.status >= 400
    assert canaries.found(bytes(got.body)) == []
    assert canaries.found(gateway.words()) == []
    assert not any(seen.whole for seen in upstream.requests)


def test_debug_tells_method_path_and_status_of_each_relayed_call(gateway: Gateway, upstream: Upstream) -> None:
    """CONTRACT §1: that much is told, so the silence about secrets is no silence about everything."""
    upstream.plays(answer(207, body=b"x"))

    got = gateway.ask("POST", f"/tree/told?{QUERY}", CLIENT_FIELDS, BODY)

    gateway.exchange(got.request_id)
    told = [str(line) for line in gateway.records() if line["level"] == "debug" and "/tree/told" in str(line)]
    assert any("POST" in line and "207" in line for line in told)
    assert len(upstream.requests) == 1


def test_secrets_do_reach_the_upstream(gateway: Gateway, upstream: Upstream) -> None:
    """The canaries are alive: what is planted in the configuration and sent by clients arrives."""
    gateway.client().send(request("POST", f"/v1/rerank?{QUERY}", CLIENT_FIELDS, BODY))
    seen = upstream.wait_for_request()
    seen.wait_until_finished()

    found = canaries.found(seen.raw_head + bytes(seen.body))

    assert set(found) >= {canaries.OPERATOR["CREDENTIAL"], canaries.CLIENT_KEY, canaries.CLIENT_BODY}
