"""Langfuse, the SDK of today (5) and what that of old (2) sends, logged in with a gateway key."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator

import pytest
from langfuse import Langfuse

from tests.kit import canaries
from tests.kit.house import House
from tests.kit.upstream import Seen, Upstream, answer
from tests.sdks.providers import JSON, langfuse_client
from tests.sdks.test_every_sdk import assert_no_key, url

PROMPT = {
    "type": "text",
    "name": "team/greeting",
    "version": 1,
    "config": {},
    "labels": ["production"],
    "tags": [],
    "prompt": "Hello {{name}}",
}


@pytest.fixture
def key(house: House) -> str:
    return house.new_key()


@pytest.fixture
def client(house: House, key: str) -> Iterator[Langfuse]:
    made = langfuse_client(url(house), key)
    yield made
    made.shutdown()


def assert_logged_in(seen: Seen, house: House) -> None:
    """Check that the upstream saw the operator's pair, and in no field the client's key."""
    assert seen.fields.one("authorization") == f"Basic {canaries.LANGFUSE_BASIC}"
    assert not [name for name in seen.fields.names() if "public" in name]
    assert_no_key(seen, house)


def test_spans_arrive_over_otlp(house: House, upstream: Upstream, client: Langfuse) -> None:
    upstream.plays(answer(200, [("Content-Type", "application/x-protobuf")]))
    with client.start_as_current_observation(name="a-name-to-find", as_type="span"):
        pass
    client.flush()

    seen = upstream.wait_for_request()
    assert seen.target == "/api/public/otel/v1/traces"
    assert_logged_in(seen, house)
    assert seen.fields.one("x-langfuse-ingestion-version") == "4"
    assert seen.fields.one("content-type") == "application/x-protobuf"
    body = bytes(seen.body)
    is_gzip = seen.fields.every("content-encoding") == ["gzip"]
    assert b"a-name-to-find" in (gzip.decompress(body) if is_gzip else body)


def test_score_arrives(house: House, upstream: Upstream, client: Langfuse) -> None:
    upstream.plays(answer(207, [JSON], b'{"successes": [], "errors": []}'))
    client.create_score(name="quality", value=1.0, trace_id="0" * 31 + "1")
    client.flush()

    seen = upstream.wait_for_request()
    assert (seen.method, seen.target) == ("POST", "/api/public/scores")
    assert_logged_in(seen, house)
    assert b'"quality"' in bytes(seen.body)


def test_name_of_a_prompt_keeps_its_escaped_slash(house: House, upstream: Upstream, client: Langfuse) -> None:
    upstream.plays(answer(200, [JSON], json.dumps(PROMPT).encode()))

    assert client.get_prompt("team/greeting").compile(name="you") == "Hello you"
    (seen,) = upstream.requests
    assert seen.target == "/api/public/v2/prompts/team%2Fgreeting"
    assert_logged_in(seen, house)


def test_batch_of_the_old_sdk_arrives(house: House, upstream: Upstream, key: str) -> None:
    """langfuse 2.60: underscores in names, and the key once more in the body, which is never searched (§8)."""
    upstream.plays(answer(207, [JSON], b'{"successes": [], "errors": []}'))
    batch = [{"id": "1", "type": "trace-create", "body": {"id": "t"}, "timestamp": "2026-11-22T16:02:22.524Z"}]
    body = json.dumps({"batch": batch, "metadata": {"batch_size": 1, "public_key": key}}).encode()
    fields = [
        ("Authorization", "Basic " + b64encode(f"{key}:anything".encode()).decode()),
        JSON,
        ("x_langfuse_sdk_name", "python"),
        ("x_langfuse_sdk_version", "2.60.10"),
        ("x_langfuse_public_key", key),
    ]

    assert house.gateway.ask("POST", "/langfuse/api/public/ingestion", fields, body).status == 207
    (seen,) = upstream.requests
    assert seen.target == "/api/public/ingestion"
    assert_logged_in(seen, house)
    assert seen.fields.one("x_langfuse_sdk_version") == "2.60.10"
    assert bytes(seen.body) == body
