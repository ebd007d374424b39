"""RELIABILITY group AU: who is let in, and that no key of the gateway's travels on (CONTRACT §3, §4, §8)."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from tests.kit import canaries
from tests.kit.claims import gateway_error
from tests.kit.client import Answer, Client, request, request_head
from tests.kit.fields import Fields
from tests.kit.gateway import Gateway, free_port
from tests.kit.house import Field, bearer
from tests.kit.upstream import Seen, Upstream

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
KEYS = canaries.GATEWAY_KEYS
TEAM, NARROW = KEYS["TEAM_KEY"], KEYS["NARROW_KEY"]
MASTER = canaries.OPERATOR["MASTER_KEY"]
UNKNOWN = "sk-of-nobody-0123456789"

CONFIG = """
general_settings:
  master_key: os.environ/MASTER_KEY
  pass_through_endpoints:
    - {{path: /closed, target: "{upstream}/closed", auth: true, forward_headers: true}}
    - path: /v1/rerank
      target: "{upstream}/v1/rerank"
      auth: true
      headers: {{Authorization: "bearer os.environ/CREDENTIAL", X-Team: configured}}
      forward_headers: true
    - path: /mine
      target: "{upstream}/mine"
      headers: {{litellm_user_api_key: X-My-Key}}
      forward_headers: true
    - path: /langfuse
      target: "{upstream}"
      include_subpath: true
      custom_auth_parser: langfuse
      headers: {{LANGFUSE_PUBLIC_KEY: os.environ/PUBLIC_HALF, LANGFUSE_SECRET_KEY: os.environ/SECRET_HALF}}
      forward_headers: true
      error_format: langfuse
    - {{path: /tree, target: "{upstream}/base", include_subpath: true, auth: true}}
    - {{path: "/named/{{name}}/x", target: "{upstream}/got/{{name}}", auth: true}}
    - {{path: /readonly, target: "{upstream}/readonly", methods: [GET], auth: true}}
    - {{path: /open, target: "{upstream}/open", forward_headers: true}}
    - {{path: /a, target: "{upstream}/public", include_subpath: true}}
    - path: /a/b
      target: "{upstream}/private"
      auth: true
      headers: {{Authorization: "bearer os.environ/CREDENTIAL"}}
    - {{path: /p, target: "{upstream}/private", include_subpath: true, auth: true}}
    - {{path: /p/open, target: "{upstream}/public"}}
    - {{path: /dialect/openai, target: "{nobody}", auth: true, error_format: openai}}
    - {{path: /dialect/anthropic, target: "{nobody}", auth: true, error_format: anthropic}}
    - {{path: /dialect/google, target: "{nobody}", auth: true, error_format: google}}
    - {{path: /dialect/bedrock, target: "{nobody}", auth: true, error_format: bedrock}}
    - {{path: /dialect/cohere, target: "{nobody}", auth: true, error_format: cohere}}
    - {{path: /dialect/langfuse, target: "{nobody}", auth: true, error_format: langfuse}}
keys:
  - {{key: os.environ/TEAM_KEY, key_alias: team}}
  - {{key: os.environ/TWIN_KEY, key_alias: twin}}
  - {{key: os.environ/NARROW_KEY, key_alias: narrow, allowed_passthrough_routes: [/v1/rerank, /p]}}
  - {{key: os.environ/BLOCKED_KEY, key_alias: blocked, blocked: true}}
  - {{key: os.environ/EXPIRED_KEY, key_alias: expired, expires: "2020-01-31T00:00:00Z"}}
"""


@pytest.fixture(scope="module")
def shared_guarded(start_gateway: Callable[..., Gateway], shared_upstream: Upstream) -> Gateway:
    upstream, nobody = f"http://{shared_upstream.authority}", f"http://127.0.0.1:{free_port()}/"
    return start_gateway(CONFIG.format(upstream=upstream, nobody=nobody), **KEYS)


@pytest.fixture
def guarded(shared_guarded: Gateway) -> Iterator[Gateway]:
    """A gateway that asks for keys, and has them in its file."""
    yield shared_guarded
    shared_guarded.close_clients()


def basic(user: str, password: str = "any:thing") -> Field:
    return "Authorization", "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def signed(key: str) -> Field:
    """Return a Signature Version 4 as boto3 writes it, made with this access key id."""
    scope = f"{key}/20300131/us-east-1/bedrock/aws4_request"
    return "Authorization", f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={'ab' * 32}"


def assert_unauthorized(got: Answer, scheme: str = "Bearer") -> None:
    assert (got.status, got.is_whole) == (401, True), bytes(got.body)
    assert got.fields.one("www-authenticate").startswith(f"{scheme} ")
    assert canaries.found(bytes(got.body) + repr(got.fields).encode()) == []


def assert_no_key(seen: Seen) -> None:
    """Check that none of the gateway's keys stands in a head, neither plainly nor in base64 or escapes."""
    for key in (*KEYS.values(), MASTER):
        pairs = (basic(key), basic(key, ""), basic("user", key))
        spellings = [key, key.replace("-", "%2D"), *(value.partition(" ")[2] for _, value in pairs)]
        assert [spelling for spelling in spellings if spelling.encode() in seen.raw_head] == []


# The carriers of CONTRACT §4 in their order, behind the header that the route names. "?" stands for a query.
CARRIERS: list[tuple[str, Callable[[str], Field]]] = [
    ("x-litellm-api-key", lambda key: ("x-litellm-api-key", key)),
    ("Authorization", bearer),
    ("api-key", lambda key: ("api-key", key)),
    ("x-api-key", lambda key: ("x-api-key", key)),
    ("x-goog-api-key", lambda key: ("x-goog-api-key", key)),
    ("?key=", lambda key: ("?", f"key={key}")),
    ("SigV4", signed),
]
EACH_CARRIER = [
    *(pytest.param(carry(TEAM), id=name) for name, carry in CARRIERS),
    pytest.param(("authorization", f"bearer {TEAM}"), id="Authorization, cased"),
    pytest.param(("AUTHORIZATION", f"BEARER   {TEAM}"), id="Authorization, cased and spaced"),
    pytest.param(("Authorization", TEAM), id="Authorization without a scheme"),
    pytest.param(("X-Litellm-Api-Key", f"Bearer {TEAM}"), id="x-litellm-api-key with Bearer"),
    pytest.param(("API-KEY", f"bearer {TEAM}"), id="api-key with bearer"),
    pytest.param(("X-Api-Key", f"Bearer {TEAM}"), id="x-api-key with Bearer"),
    pytest.param(("X-Goog-Api-Key", f"Bearer {TEAM}"), id="x-goog-api-key with Bearer"),
    pytest.param(("?", f"key=Bearer+{TEAM}"), id="?key= with Bearer"),
    pytest.param(("?", f"key={TEAM.replace('-', '%2D')}"), id="?key= escaped"),
    pytest.param(("?", f"k%65y={TEAM}"), id="?key= with an escaped name"),
]


def asked(gateway: Gateway, path: str, *carriers: Field, method: str = "GET") -> Answer:
    """Ask with what these carriers bring, beside a field and a query pair that are no keys."""
    query = "&".join(["x=1", *(value for name, value in carriers if name == "?"), "y"])
    fields = [("X-Kept", "1"), *(field for field in carriers if field[0] != "?")]
    return gateway.ask(method, f"{path}?{query}", fields)


@pytest.mark.parametrize("carrier", EACH_CARRIER)
def test_key_is_accepted_in_every_carrier_and_stays_here(guarded: Gateway, upstream: Upstream, carrier: Field) -> None:
    """RH-07, RH-08: with `forward_headers: true`, and nothing set in its place."""
    got = asked(guarded, "/closed", carrier)

    assert got.status == 200
    (seen,) = upstream.requests
    assert_no_key(seen)
    assert seen.target == "/closed?x=1&y"
    assert seen.fields.one("x-kept") == "1"
    assert not {"authorization", "x-litellm-api-key", "api-key", "x-api-key", "x-goog-api-key"} & {*seen.fields.names()}
    assert guarded.exchange(got.request_id)["key_alias"] == "team"


@pytest.mark.parametrize("carrier", EACH_CARRIER)
def test_key_stays_here_on_open_routes_too(guarded: Gateway, upstream: Upstream, carrier: Field) -> None:
    """RH-07, RH-08, CONTRACT §8."""
    assert asked(guarded, "/open", carrier).status == 200

    (seen,) = upstream.requests
    assert_no_key(seen)
    assert (seen.target, seen.fields.one("x-kept")) == ("/open?x=1&y", "1")


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("carry", [bearer, basic, lambda key: basic("user", key), lambda key: ("X-Odd", key)])
def test_every_key_of_the_file_stays_here_whatever_its_state(
    guarded: Gateway, upstream: Upstream, name: str, carry: Callable[[str], Field]
) -> None:
    """RH-07: a blocked key is somebody's key still, and would open that somebody's doors once unblocked."""
    assert asked(guarded, "/open", carry(KEYS[name])).status == 200

    (seen,) = upstream.requests
    assert_no_key(seen)


def test_configured_credential_takes_the_keys_place(guarded: Gateway, upstream: Upstream) -> None:
    """RH-07, RH-08: in the same field, and in another one."""
    assert guarded.ask("POST", "/v1/rerank", [bearer(TEAM)], b"{}").status == 200
    assert guarded.ask("POST", "/v1/rerank", [("x-api-key", TEAM)], b"{}").status == 200

    for seen in upstream.requests:
        assert_no_key(seen)
        assert seen.fields.one("authorization") == f"bearer {canaries.OPERATOR['CREDENTIAL']}"
        assert (seen.fields.every("x-api-key"), bytes(seen.body)) == ([], b"{}")


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(("X-Odd", TEAM), id="any field"),
        pytest.param(("x-pass-x-odd", TEAM), id="x-pass"),
        pytest.param(("x-langfuse-public-key", TEAM), id="x-langfuse-public-key"),
        pytest.param(("x-api-key", TEAM), id="another carrier"),
        pytest.param(("x-api-key", MASTER), id="another key in another carrier"),
        pytest.param(("?", f"other={TEAM}"), id="any query pair"),
        pytest.param(("?", f"key={NARROW}"), id="another key in the query"),
    ],
)
def test_key_sent_twice_is_taken_out_twice(guarded: Gateway, upstream: Upstream, again: Field) -> None:
    assert asked(guarded, "/closed", bearer(TEAM), again).status == 200

    (seen,) = upstream.requests
    assert_no_key(seen)
    assert seen.target == "/closed?x=1&y"


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(bearer("of-somebody-else"), id="Bearer"),
        pytest.param(basic("pk-lf-1", "sk-lf-1"), id="Basic"),
        pytest.param(signed("AKIAIOSFODNN7EXAMPLE"), id="SigV4"),
        pytest.param(("x-api-key", "sk-ant-of-somebody-else"), id="x-api-key"),
        pytest.param(("x-langfuse-public-key", "pk-lf-1"), id="x-langfuse-public-key"),
        pytest.param(("x-api-key", f"{TEAM}x"), id="a key and more"),
        pytest.param(("x-api-key", TEAM[:-1]), id="a key and less"),
    ],
)
@pytest.mark.parametrize("path", ["/open", "/mine"])
def test_credential_of_somebody_else_travels(guarded: Gateway, upstream: Upstream, path: str, field: Field) -> None:
    """CONTRACT §8: what is no key of the gateway's is the client's own affair."""
    assert asked(guarded, path, field, ("X-My-Key", TEAM)).status == 200

    (seen,) = upstream.requests
    assert seen.fields.one(field[0]) == field[1]
    assert "x-my-key" not in seen.fields.names()


@pytest.mark.parametrize(
    "carrier",
    [
        pytest.param(("X-My-Key", TEAM), id="named header"),
        pytest.param(("x-my-key", f"Bearer {TEAM}"), id="named header with Bearer"),
        *(pytest.param(carry(TEAM), id=f"{name}, the named one absent") for name, carry in CARRIERS),
    ],
)
def test_named_header_is_asked_first_and_the_others_serve(guarded: Gateway, upstream: Upstream, carrier: Field) -> None:
    """CONTRACT §4, §8: `litellm_user_api_key`."""
    assert asked(guarded, "/mine", carrier).status == 200

    (seen,) = upstream.requests
    assert_no_key(seen)
    assert "x-my-key" not in seen.fields.names()


IN_ORDER = [("X-My-Key", lambda key: ("X-My-Key", key)), *CARRIERS]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [pytest.param(first[1], second[1], id=f"{first[0]} before {second[0]}") for first, second in pairwise(IN_ORDER)],
)
def test_first_carrier_decides(
    guarded: Gateway, upstream: Upstream, earlier: Callable[[str], Field], later: Callable[[str], Field]
) -> None:
    """CONTRACT §4: and no second key is tried behind it."""
    assert_unauthorized(asked(guarded, "/mine", later(TEAM), earlier(UNKNOWN)))
    assert upstream.octets == 0

    assert asked(guarded, "/mine", later(UNKNOWN), earlier(TEAM)).status == 200
    assert_no_key(upstream.requests[0])


@pytest.mark.parametrize("path", ["/closed", "/v1/rerank", "/mine", "/tree/below", "/named/n/x", "/a/b", "/p/x"])
def test_no_key_is_a_401_before_anything_goes_upstream(guarded: Gateway, upstream: Upstream, path: str) -> None:
    """AU-01."""
    got = guarded.ask("POST", path, body=b"{}")

    assert_unauthorized(got)
    error = gateway_error(got)
    assert (error["code"], error["type"]) == ("invalid_api_key", "authentication_error")
    assert upstream.octets == 0
    line = guarded.exchange(got.request_id)
    assert (line["outcome"], line["key_alias"], line["upstream_status"]) == ("refused", None, None)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_asks_for_a_key(guarded: Gateway, upstream: Upstream, method: str) -> None:
    """AU-01: OPTIONS and HEAD included."""
    assert_unauthorized(guarded.ask(method, "/closed"))
    assert upstream.octets == 0


def told(got: Answer) -> tuple[int, bytes, Fields]:
    """Return all of an answer that does not differ by time and number."""
    varying = ("date", "x-gateway-request-id", "server-timing")
    return got.status, bytes(got.body), Fields(field for field in got.fields if field[0].lower() not in varying)


@pytest.mark.parametrize("carry", [carry for _, carry in CARRIERS], ids=[name for name, _ in CARRIERS])
def test_what_is_wrong_with_a_key_is_not_told(
    guarded: Gateway, upstream: Upstream, carry: Callable[[str], Field]
) -> None:
    """AU-02: unknown, blocked and expired look the same."""
    unknown, blocked, expired = (
        asked(guarded, "/closed", carry(key)) for key in (UNKNOWN, KEYS["BLOCKED_KEY"], KEYS["EXPIRED_KEY"])
    )

    assert_unauthorized(unknown)
    assert told(unknown) == told(blocked) == told(expired)
    assert upstream.octets == 0


@pytest.mark.parametrize(
    "carrier",
    [
        pytest.param(bearer("' OR 1=1 --"), id="AU-16 SQL"),
        pytest.param(bearer("%"), id="AU-16 %"),
        pytest.param(bearer("_"), id="AU-16 _"),
        pytest.param(("?", "key=%00"), id="AU-16 NUL"),
        pytest.param(("?", f"key={TEAM}%00"), id="AU-16 NUL behind a key"),
        pytest.param(("?", "key=%ff%fe%ED%A0%80"), id="AU-16 no UTF-8"),
        pytest.param(("x-api-key", "\xff\xfe"), id="AU-16 no ASCII"),
        pytest.param(("?", "key="), id="AU-16 nothing"),
        pytest.param(("Authorization", "Bearer"), id="AU-16 Bearer alone"),
        pytest.param(("x-api-key", ""), id="AU-16 an empty field"),
        pytest.param(bearer("k" * 8000), id="AU-16 long"),
        pytest.param(bearer(TEAM.upper()), id="another case"),
        pytest.param(bearer(f"{TEAM}, {TEAM}"), id="two in one field"),
        pytest.param(("Authorization", f"Basic {TEAM}"), id="another scheme"),
        pytest.param(basic(TEAM), id="Basic where the route does not read it"),
        pytest.param(("Authorization", f"AWS4-HMAC-SHA256 Credential={TEAM}"), id="SigV4 without its scope"),
        pytest.param(("X-My-Key", TEAM), id="a header that another route names"),
        pytest.param(("Cookie", f"key={TEAM}"), id="cookie"),
        pytest.param(("?", f"KEY={TEAM}"), id="query name of another case"),
    ],
)
def test_what_is_no_key_here_is_a_401(guarded: Gateway, upstream: Upstream, carrier: Field) -> None:
    assert_unauthorized(asked(guarded, "/closed", carrier))
    assert upstream.octets == 0


def test_keys_that_begin_alike_are_never_mistaken(guarded: Gateway, upstream: Upstream) -> None:
    """AU-14: 60 characters in common."""
    assert TEAM[:60] == KEYS["TWIN_KEY"][:60]

    answers = [guarded.ask("GET", "/closed", [bearer(key)]) for key in (TEAM, KEYS["TWIN_KEY"])]
    assert_unauthorized(guarded.ask("GET", "/closed", [bearer(TEAM[:60])]))
    assert_unauthorized(guarded.ask("GET", "/closed", [bearer(TEAM[:60] + "-team-d1c3")]))

    assert [guarded.exchange(got.request_id)["key_alias"] for got in answers] == ["team", "twin"]
    assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/rerank", 200),
        ("/p", 200),
        ("/p/below/it", 200),
        ("/closed", 403),
        ("/tree/v1/rerank", 403),
        ("/open", 200),
    ],
)
def test_key_opens_only_the_routes_it_names(guarded: Gateway, upstream: Upstream, path: str, status: int) -> None:
    """CONTRACT §4: an entry covers what lies below it; an open route asks nobody."""
    got = guarded.ask("GET", path, [bearer(NARROW)])

    assert got.status == status
    if status == 403:
        error = gateway_error(got)
        assert (error["code"], error["type"]) == ("route_forbidden", "permission_error")
        assert got.fields.every("www-authenticate") == []
    assert len(upstream.requests) == (status == 200)
    assert [upstream.octets > 0] == [status == 200]


def test_master_key_opens_every_route(guarded: Gateway, upstream: Upstream) -> None:
    for path in ("/closed", "/v1/rerank", "/mine", "/tree/x", "/named/n/x", "/p"):
        assert guarded.ask("GET", path, [bearer(MASTER)]).status == 200

    assert len(upstream.requests) == 6
    for seen in upstream.requests:
        assert_no_key(seen)


def openai_error(error: Any) -> tuple[str, str]:
    return error["error"]["type"], error["error"]["message"]


def anthropic_error(error: Any) -> tuple[str, str]:
    assert error["type"] == "error"
    return error["error"]["type"], error["error"]["message"]


def google_error(error: Any) -> tuple[str, str]:
    assert error["error"]["code"] in (401, 403)
    return error["error"]["status"], error["error"]["message"]


@pytest.mark.parametrize(
    ("dialect", "read", "types"),
    [
        ("openai", openai_error, ["authentication_error", "permission_error"]),
        ("anthropic", anthropic_error, ["authentication_error", "permission_error"]),
        ("google", google_error, ["UNAUTHENTICATED", "PERMISSION_DENIED"]),
        ("bedrock", lambda error: ("", error["message"]), ["", ""]),
        ("cohere", lambda error: ("", error["message"]), ["", ""]),
        ("langfuse", lambda error: ("", error["message"]), ["", ""]),
    ],
)
def test_refusal_speaks_the_routes_dialect(
    guarded: Gateway, dialect: str, read: Callable[[Any], tuple[str, str]], types: list[str]
) -> None:
    """Before the upstream is asked: there is none behind these routes, and yet no 502."""
    missing = guarded.ask("POST", f"/dialect/{dialect}", body=b"{}")
    forbidden = guarded.ask("POST", f"/dialect/{dialect}", [bearer(NARROW)], b"{}")

    assert_unauthorized(missing)
    assert (forbidden.status, forbidden.fields.one("cache-control")) == (403, "no-store")
    errors = [read(json.loads(bytes(got.body))) for got in (missing, forbidden)]
    assert [kind for kind, _ in errors] == types
    assert all(message for _, message in errors)
    amazon = [got.fields.every("x-amzn-errortype") for got in (missing, forbidden)]
    assert amazon == ([["AccessDeniedException"]] * 2 if dialect == "bedrock" else [[], []])


INGESTION = [
    pytest.param("/api/public/ingestion", id="legacy ingestion"),
    pytest.param("/api/public/otel/v1/traces", id="OTLP"),
    pytest.param("/api/public/scores", id="scores"),
    pytest.param("/api/public/v2/prompts/team%2Fprompt", id="a prompt's name"),
]


@pytest.mark.parametrize("path", INGESTION)
def test_langfuse_logs_in_with_a_gateway_key_as_its_public_key(guarded: Gateway, upstream: Upstream, path: str) -> None:
    """AU-04: any password; the configured pair goes upstream in its place."""
    own = [("x-langfuse-ingestion-version", "4"), ("x_langfuse_sdk_name", "python"), ("Content-Encoding", "gzip")]
    protobuf, body = ("Content-Type", "application/x-protobuf"), bytes(range(256))

    got = guarded.ask(
        "POST", f"/langfuse{path}", [basic(TEAM, "sk:any"), ("x-langfuse-public-key", TEAM), *own, protobuf], body
    )

    assert got.status == 200
    (seen,) = upstream.requests
    assert_no_key(seen)
    assert (seen.target, bytes(seen.body)) == (path, body)
    assert seen.fields.one("authorization") == f"Basic {canaries.LANGFUSE_BASIC}"
    assert seen.fields.every("x-langfuse-public-key") == []
    assert [seen.fields.one(name) for name, _ in [*own, protobuf]] == ["4", "python", "gzip", protobuf[1]]
    assert guarded.exchange(got.request_id)["key_alias"] == "team"


@pytest.mark.parametrize("carry", [carry for _, carry in CARRIERS], ids=[name for name, _ in CARRIERS])
def test_other_carriers_serve_langfuse_too(guarded: Gateway, upstream: Upstream, carry: Callable[[str], Field]) -> None:
    assert asked(guarded, "/langfuse/api/public/traces", carry(TEAM)).status == 200

    (seen,) = upstream.requests
    assert_no_key(seen)
    assert seen.fields.one("authorization") == f"Basic {canaries.LANGFUSE_BASIC}"


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param("Basic %%%", id="AU-05 bad base64"),
        pytest.param("Basic " + b64encode(b"\xff\xfe:x").decode(), id="AU-05 no UTF-8"),
        pytest.param("Basic " + b64encode(TEAM.encode()).decode(), id="AU-05 no colon"),
        pytest.param(basic("", TEAM)[1], id="AU-05 empty user"),
        pytest.param(basic("", "")[1], id="AU-05 nothing but a colon"),
        pytest.param("Basic", id="AU-05 nothing"),
        pytest.param("Basic ", id="AU-05 a blank"),
        pytest.param(basic(UNKNOWN, f"a:{TEAM}")[1], id="AU-05 colon and key in the password"),
        pytest.param(basic(KEYS["BLOCKED_KEY"])[1], id="blocked"),
        pytest.param("Digest " + b64encode(f"{TEAM}:x".encode()).decode(), id="another scheme"),
    ],
)
@pytest.mark.parametrize("path", ["/api/public/ingestion", "/api/public/otel/v1/traces"])
def test_langfuse_with_a_broken_pair_is_a_401(
    guarded: Gateway, upstream: Upstream, path: str, authorization: str
) -> None:
    """AU-05: never a 500, and nothing upstream."""
    got = guarded.ask("POST", f"/langfuse{path}", [("Authorization", authorization)], b"{}")

    assert_unauthorized(got, "Basic")
    assert json.loads(bytes(got.body))["message"]
    assert upstream.octets == 0


def test_public_key_of_langfuse_alone_is_no_login(guarded: Gateway, upstream: Upstream) -> None:
    got = guarded.ask("POST", "/langfuse/api/public/ingestion", [("x-langfuse-public-key", TEAM)], b"{}")

    assert_unauthorized(got, "Basic")
    assert upstream.octets == 0


@pytest.mark.parametrize(
    "target",
    [
        "/v1/rerank",
        "/v1/rerank?x=%2F",
        "/v1/rerank/",
        "/v1/rerank/below",
        "/v1/rerank.json",
        "/v1/rerankX",
        "/v1/%72erank",
        "/v1/rerank%20",
        "/v1/rerank%00",
        "/v1/rerank;x=1",
        "/V1/Rerank",
        "//v1/rerank",
        "/v1//rerank",
        "/v1%2Frerank",
        "/%76%31/rerank",
        "/./v1/rerank",
        "/open/../v1/rerank",
        "/open/%2e%2e/v1/rerank",
        "/open/.%2e%2fv1/rerank",
        "/open/..%5cv1/rerank",
        "/open/..;/v1/rerank",
        "/a/../v1/rerank",
        "/v1/rerank/../rerank",
        "/v1/rerank#fragment",
        "http://other.test/v1/rerank",
        "HTTPS://other.test:81/v1/rerank?q=1",
        "http://u:p@other.test/v1/rerank",
        "//other.test/v1/rerank",
        "/tree",
        "/tree/",
        "/tree//",
        "/tree/files/a%2Fb",
        "/tree/x%3Fadmin%3D1",
        "/tree/..%2fopen",
        "/tree%2Fopen",
        "/treehouse",
        "/named/n/x",
        "/named/a%2Fb/x",
        "/named//x",
        "/named/../x",
        "/named/open/x/",
        "*",
        "/closed",
        "/closed/",
        "/closed?key",
        "/",
    ],
)
def test_no_spelling_of_a_protected_route_gets_by_without_a_key(
    guarded: Gateway, upstream: Upstream, target: str
) -> None:
    """AU-07: group RP against protected routes."""
    for method in ("GET", "POST"):
        got = guarded.ask(method, target)
        assert got.status in (400, 401, 404), (method, got.status)
        assert got.fields.every("location") == []

    assert upstream.octets == 0


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"GET  /closed HTTP/1.1\r\nHost: a\r\n\r\n", id="two spaces"),
        pytest.param(b"GET\t/closed HTTP/1.1\r\nHost: a\r\n\r\n", id="tab"),
        pytest.param(b"GET /closed\r\n\r\n", id="HTTP/0.9"),
        pytest.param(b"GET /closed HTTP/2.0\r\nHost: a\r\n\r\n", id="HTTP/2.0"),
        pytest.param(b"GET /closed HTTP/1.0\r\n\r\n", id="HTTP/1.0"),
        pytest.param(b"GET /closed HTTP/1.1\r\n\r\n", id="no Host"),
        pytest.param(b"GET /clo\x00sed HTTP/1.1\r\nHost: a\r\n\r\n", id="NUL"),
        pytest.param(b"get /closed HTTP/1.1\r\nHost: a\r\n\r\n", id="method's case"),
        pytest.param(b"PROPFIND /closed HTTP/1.1\r\nHost: a\r\n\r\n", id="another method"),
        pytest.param(
            b"GET /closed HTTP/1.1\r\nHost: a\r\nx-api-key\x00: %b\r\n\r\n" % TEAM.encode(), id="NUL in a name"
        ),
        pytest.param(b"GET /closed HTTP/1.1\r\nHost: a\r\nx-api-key : %b\r\n\r\n" % TEAM.encode(), id="name and blank"),
        pytest.param(
            b"GET /closed HTTP/1.1\r\nHost: a\r\nx-odd: 1\r\n x-api-key: %b\r\n\r\n" % TEAM.encode(), id="fold"
        ),
        pytest.param(b"GET /closed HTTP/1.1\r\nHost: a\r\nx_api_key: %b\r\n\r\n" % TEAM.encode(), id="underscores"),
        pytest.param(
            b"GET /closed HTTP/1.1\r\nHost: a\r\nx-api-key: \x00%b\r\n\r\n" % TEAM.encode(), id="NUL in a key"
        ),
    ],
)
def test_no_broken_request_gets_by_without_a_key(guarded: Gateway, upstream: Upstream, octets: bytes) -> None:
    """AU-07, AU-16: as octets."""
    client = guarded.client()
    client.send(octets)

    assert client.answer().status in (400, 401, 405, 501, 505)
    assert upstream.octets == 0


@pytest.mark.parametrize(
    "field",
    [
        ("SCRIPT_NAME", "/x"),
        ("X-Script-Name", "/x"),
        ("PATH_INFO", "/open"),
        ("X-Original-URL", "/open"),
        ("X-Rewrite-URL", "/open"),
        ("X-Forwarded-Uri", "/open"),
        ("X-Forwarded-Prefix", "/open"),
        ("X-HTTP-Method-Override", "HEAD"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-User", "admin"),
        ("X-Remote-User", "admin"),
        ("REMOTE_USER", "admin"),
        ("Forwarded", "for=127.0.0.1"),
        ("Connection", "authorization"),
        ("x-pass-authorization", f"Bearer {TEAM}"),
        ("x-pass-x-api-key", TEAM),
    ],
)
def test_no_field_opens_a_protected_route(guarded: Gateway, upstream: Upstream, field: Field) -> None:
    """AU-07: RP-25, RP-26 and their like."""
    for path in ("/closed", "/a/b", "/langfuse/api/public/ingestion"):
        assert guarded.ask("GET", path, [field]).status == 401
    assert guarded.ask("GET", "/x/closed", [field]).status == 404

    assert upstream.octets == 0


def test_connection_option_does_not_drop_the_key_unread(guarded: Gateway, upstream: Upstream) -> None:
    """AU-07: a field named by Connection ends here, where it is read."""
    assert guarded.ask("GET", "/closed", [bearer(TEAM), ("Connection", "authorization")]).status == 200

    (seen,) = upstream.requests
    assert_no_key(seen)


@pytest.mark.parametrize(
    ("path", "arrives"),
    [
        ("/a", "/public"),
        ("/a/", "/public/"),
        ("/a/bX", "/public/bX"),
        ("/a/b/", "/public/b/"),
        ("/a/b/c", "/public/b/c"),
        ("/a//b", "/public//b"),
        ("/a/%62", "/public/%62"),
        ("/a/b%2F", "/public/b%2F"),
        ("/a/B", "/public/B"),
        ("/p/open", "/public"),
    ],
)
def test_open_routes_own_rule_holds(guarded: Gateway, upstream: Upstream, path: str, arrives: str) -> None:
    """AU-08: an open route beside a protected one leads to its own target, with its own headers."""
    assert guarded.ask("GET", path).status == 200

    (seen,) = upstream.requests
    assert (seen.target, seen.fields.every("authorization")) == (arrives, [])


@pytest.mark.parametrize(
    "path", ["/a/b", "/a/b?x", "/p", "/p/", "/p/openX", "/p/open/", "/p/%6fpen", "/p//open", "/p/b"]
)
def test_protected_routes_own_rule_holds(guarded: Gateway, upstream: Upstream, path: str) -> None:
    """AU-08: a protected route beside an open one."""
    assert_unauthorized(guarded.ask("GET", path))
    assert upstream.octets == 0

    assert guarded.ask("GET", path, [bearer(TEAM)]).status == 200
    assert upstream.requests[0].target.startswith("/private")


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(("X-Team", "admin"), id="AU-19 as it is"),
        pytest.param(("x-team", "admin"), id="AU-19 another case"),
        pytest.param(("x-pass-X-Team", "admin"), id="AU-19 x-pass"),
        pytest.param(("x-pass-x-pass-x-team", "admin"), id="AU-19 x-pass twice"),
    ],
)
def test_identity_that_the_operator_sets_cannot_be_sent(guarded: Gateway, upstream: Upstream, field: Field) -> None:
    assert guarded.ask("GET", "/v1/rerank", [bearer(TEAM), field, field]).status == 200

    (seen,) = upstream.requests
    assert seen.fields.every("x-team") == ["configured"]


@pytest.mark.parametrize("name", ["x-gateway-request-id", "key_alias", "x-key-alias", "x-gateway-key-alias"])
def test_identity_that_the_gateway_tells_cannot_be_sent(guarded: Gateway, upstream: Upstream, name: str) -> None:
    """AU-19: the request id and the alias in the log are the gateway's own."""
    got = guarded.ask("GET", "/closed", [bearer(TEAM), (name, "chosen")])

    assert got.request_id != "chosen"
    assert guarded.exchange(got.request_id)["key_alias"] == "team"
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("framing", [("Content-Length", "4"), ("Transfer-Encoding", "chunked")])
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param([bearer(UNKNOWN)], 401, id="RH-26 bad key"),
        pytest.param([], 401, id="RH-26 no key"),
        pytest.param([bearer(NARROW)], 403, id="RH-26 another route's key"),
    ],
)
def test_refused_key_does_not_ask_for_the_body(
    guarded: Gateway, upstream: Upstream, fields: list[Field], status: int, framing: Field
) -> None:
    """RH-26: and what the client sends next is its next request, or finds the connection closed."""
    client = guarded.client()
    client.send(request_head("POST", "/closed", [*fields, framing, ("Expect", "100-continue")]))

    got = client.answer("POST")
    client.send_while_taken(request("GET", "/health/liveliness"))
    after = client.answer()

    assert (got.status, got.informational) == (status, [])
    assert (after.status or after.ending) in (200, "cut", "reset")
    assert upstream.octets == 0


def test_good_key_asks_for_the_body(guarded: Gateway, upstream: Upstream) -> None:
    """RH-26: once, and Expect is not forwarded."""
    client = guarded.client()
    client.send(request_head("POST", "/closed", [bearer(TEAM), ("Content-Length", "4"), ("Expect", "100-continue")]))

    assert client.sock.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"body")

    assert client.answer("POST").status == 200
    (seen,) = upstream.requests
    assert (bytes(seen.body), seen.fields.every("expect")) == (b"body", [])


SMUGGLED = request("GET", "/open", [bearer(TEAM)]) * 80_000


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        pytest.param("/closed", [], 401, id="RB-14 no key"),
        pytest.param("/closed", [bearer(UNKNOWN)], 401, id="RB-14 bad key"),
        pytest.param("/closed", [bearer(NARROW)], 403, id="RB-14 another route's key"),
        pytest.param("/key/generate", [], 401, id="RB-14 management without a key"),
        pytest.param("/key/generate", [bearer(TEAM)], 403, id="RB-14 management with an ordinary key"),
    ],
)
def test_body_of_a_refused_key_is_never_a_request(
    guarded: Gateway, upstream: Upstream, path: str, fields: list[Field], status: int
) -> None:
    """RB-14: 10 MB that spell requests, on a connection that has been used."""
    assert len(SMUGGLED) > 10_000_000
    client = guarded.client()
    assert client.ask("GET", "/health/liveliness").status == 200
    sending = client.send_in_background(request("POST", path, fields, SMUGGLED))

    first = client.answer("POST")
    sending.join()
    client.send_while_taken(request("GET", "/nowhere"))
    second = client.answer()

    assert first.status == status
    assert (second.status or second.ending) in (404, "cut", "reset")
    assert upstream.octets == 0


def test_connection_lives_on_after_a_refused_small_body(guarded: Gateway, upstream: Upstream) -> None:
    """RB-14: drained within a bound; and what one request on it brought lets no other in."""
    client: Client = guarded.client()

    statuses = [
        client.ask("POST", "/closed", fields, body).status
        for fields, body in [([], b"x" * 1000), ([bearer(TEAM)], b"mine"), ([], b"next"), ([bearer(TEAM)], b"again")]
    ]

    assert statuses == [401, 200, 401, 200]
    assert [bytes(seen.body) for seen in upstream.requests] == [b"mine", b"again"]


def test_refusals_and_admissions_side_by_side_are_not_mixed_up(guarded: Gateway, upstream: Upstream) -> None:
    """AU-07: many connections at once, each with a key of its own state."""
    verdicts: dict[str, set[int]] = {"good": set(), "bad": set()}

    def ask_often(state: str, key: str) -> None:
        client = guarded.client()
        for _ in range(25):
            verdicts[state].add(client.ask("GET", "/closed", [bearer(key)]).status)

    askers = [
        threading.Thread(target=ask_often, args=pair) for pair in [("good", TEAM), ("bad", UNKNOWN)] for _ in range(6)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()

    assert verdicts == {"good": {200}, "bad": {401}}
    assert len(upstream.requests) == 150


@pytest.mark.parametrize("path", ["/tree/{}/x", "/a/{}/x", "/nowhere/{}/x", "/named/{}/x", "/v1/../{}/x"])
@pytest.mark.parametrize("key", [TEAM, MASTER, TEAM.replace("-", "%2D"), "sk-" + "Zx09_-" * 7 + "Z"])
@pytest.mark.parametrize("fields", [[], [bearer(TEAM)]])
def test_key_in_the_path_is_not_logged(
    guarded: Gateway, upstream: Upstream, path: str, key: str, fields: list[Field]
) -> None:
    """CONTRACT §1: wherever the request ends. The path itself travels as it came."""
    got = guarded.ask("GET", path.format(key), fields)

    line = guarded.exchange(got.request_id)
    assert line["path"] == path.format("****")
    assert key.encode() not in guarded.words()
    assert [seen.target for seen in upstream.requests if key not in seen.target] == []
