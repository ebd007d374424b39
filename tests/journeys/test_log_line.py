"""CONTRACT §6: one JSON line per exchange, written at its last byte."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest

from tests.kit.client import Client, request, request_head
from tests.kit.gateway import Gateway
from tests.kit.upstream import FIN, SILENCE, Step, Upstream, answer, chunk, head, wait

NUMBERS = itertools.count()
CHUNKED = ("Transfer-Encoding", "chunked")

MEMBERS = {
    "time", "level", "event", "request_id", "route", "method", "path", "status", "outcome", "key_alias", "bytes_in",
    "bytes_out", "upstream_status", "first_byte_ms", "total_ms", "gateway_ms",
}  # fmt: skip


def chosen(line: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(line[name] for name in names)


def test_served_exchange(gateway: Gateway, upstream: Upstream) -> None:
    upstream.plays(answer(207, body=b"0123456789"))

    got = gateway.ask("POST", "/tree/a%2Fb?secret=1", body=b"12345")

    line = gateway.exchange(got.request_id)
    assert set(line) >= MEMBERS
    assert chosen(line, "level", "route", "method", "path") == ("info", "/tree", "POST", "/tree/a%2Fb")
    assert chosen(line, "status", "outcome", "upstream_status", "key_alias") == (207, "served", 207, None)
    assert chosen(line, "bytes_in", "bytes_out") == (5, 10)
    assert all(isinstance(line[name], int | float) for name in ("first_byte_ms", "total_ms", "gateway_ms"))
    assert 0 <= line["gateway_ms"] <= line["total_ms"]
    assert line["first_byte_ms"] <= line["total_ms"]
    assert len(upstream.requests) == 1


def test_error_of_the_upstream_is_served(gateway: Gateway, upstream: Upstream) -> None:
    """Served: the gateway did what it is for."""
    upstream.plays(answer(500, body=b"x"))

    got = gateway.ask("GET", "/plain")

    assert chosen(gateway.exchange(got.request_id), "status", "outcome", "upstream_status") == (500, "served", 500)


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        pytest.param("GET", "/nowhere", None, 404, id="no route"),
        pytest.param("POST", "/readonly", "/readonly", 405, id="method"),
        pytest.param("GET", "/tree/%2e%2e", None, 400, id="dot segment"),
    ],
)
def test_refused_exchange(
    gateway: Gateway, upstream: Upstream, method: str, path: str, route: str | None, status: int
) -> None:
    got = gateway.ask(method, path)

    line = gateway.exchange(got.request_id)
    assert chosen(line, "status", "outcome", "upstream_status") == (status, "refused", None)
    assert (line["method"], line["path"]) == (method, path)
    assert route is None or line["route"] == route
    assert upstream.octets == 0


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        pytest.param(b"GET /plain HTTP/1.1\r\n\r\n", 400, id="no Host"),
        pytest.param(b"nonsense\r\n\r\n", 400, id="no HTTP"),
        pytest.param(request("GET", "/plain", [("X", "a" * 9000)]), 431, id="head too large"),
    ],
)
def test_request_refused_by_the_parser_is_logged_too(
    client: Client, gateway: Gateway, upstream: Upstream, octets: bytes, status: int
) -> None:
    client.send(octets)

    got = client.answer()

    assert chosen(gateway.exchange(got.request_id), "status", "outcome") == (status, "refused")
    assert upstream.octets == 0


def test_unreachable_upstream(gateway: Gateway, upstream: Upstream) -> None:
    got = gateway.ask("POST", "/refused", body=b"12345")

    line = gateway.exchange(got.request_id)
    assert chosen(line, "status", "outcome", "upstream_status") == (502, "upstream_failed", None)
    assert line["route"] == "/refused"
    assert upstream.octets == 0


def test_upstream_that_breaks_off(gateway: Gateway, upstream: Upstream) -> None:
    upstream.plays(head(200, [("Content-Length", "100")]) + b"half", FIN)

    got = gateway.ask("GET", "/plain")

    line = gateway.exchange(got.request_id)
    assert chosen(line, "status", "outcome", "upstream_status", "bytes_out") == (200, "upstream_failed", 200, 4)


def test_client_that_breaks_off_its_upload(gateway: Gateway, upstream: Upstream) -> None:
    client = gateway.client()
    path = f"/tree/upload-{next(NUMBERS)}"
    client.send(request_head("POST", path, [("Content-Length", "100")]) + b"12345")
    upstream.wait_for_request().wait_for_body(5)
    client.close()

    line = gateway.exchange_of_path(path)

    assert chosen(line, "outcome", "bytes_in", "upstream_status") == ("client_left", 5, None)


@pytest.mark.parametrize("begun", [[], [head(200, [CHUNKED]) + chunk(b"12345")]])
def test_client_that_leaves(gateway: Gateway, upstream: Upstream, begun: list[Step]) -> None:
    upstream.plays(*begun, SILENCE)
    client = gateway.client()
    path = f"/tree/leaves-{next(NUMBERS)}"
    client.send(request("GET", path))
    upstream.wait_for_request()
    if begun:
        client.read_until(client.begin_answer(), b"12345")
    client.close()

    assert gateway.exchange_of_path(path)["outcome"] == "client_left"


def test_client_that_ends_its_side_is_gone_and_what_it_still_asks_for_with_it(
    gateway: Gateway, upstream: Upstream
) -> None:
    """An answer on the wire would be one with status 499, and read as the upstream's."""
    upstream.plays(SILENCE)
    client = gateway.client()
    path, behind = (f"/tree/ends-{next(NUMBERS)}" for _ in range(2))
    client.send(request("GET", path) + request("GET", behind))
    upstream.wait_for_request()

    client.half_close()

    assert client.is_closed_by_peer()
    line = gateway.exchange_of_path(path)
    assert chosen(line, "status", "outcome") == (499, "client_left")
    assert behind.encode() not in gateway.words()
    assert len(upstream.requests) == 1


def test_line_is_written_at_the_last_byte(client: Client, gateway: Gateway, upstream: Upstream) -> None:
    go = threading.Event()
    upstream.plays(head(200, [CHUNKED]), chunk(b"12345"), wait(go), chunk(b"67890"), chunk(b""))
    client.send(request("GET", "/plain"))
    got = client.begin_answer()
    client.read_until(got, b"12345")

    # Another exchange begins and ends, and its line is there: this one's would be, too.
    gateway.exchange(gateway.ask("GET", "/nowhere").request_id)
    early = [line for line in gateway.records() if line.get("request_id") == got.request_id]
    go.set()
    client.finish(got)

    assert [line for line in early if line.get("event") == "exchange"] == []
    assert gateway.exchange(got.request_id)["bytes_out"] == 10


def test_every_exchange_of_a_connection_has_one_line(client: Client, gateway: Gateway, upstream: Upstream) -> None:
    ids = [client.ask("GET", path).request_id for path in ("/plain", "/nowhere", "/plain", "/refused")]

    assert [len(gateway.exchanges(request_id)) for request_id in ids] == [1, 1, 1, 1]
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("path", ['/tree/"quotes"', "/tree/%0d%0a%1b[31m", "/tree/{brace}'\\back"])
def test_odd_path_stays_within_its_record(gateway: Gateway, upstream: Upstream, path: str) -> None:
    """DR-16: one escaped JSON object; `records` parses every line."""
    got = gateway.ask("GET", path, [("User-Agent", 'a"b\\c'), ("X-Latin", "\xe9")])

    assert gateway.exchange(got.request_id)["path"] == path
    assert len(upstream.requests) == 1


def test_open_routes_are_listed_in_a_warning_at_start(gateway: Gateway) -> None:
    """CONTRACT §2: nothing was asked of any upstream for it."""
    warnings = [line for line in gateway.records() if line["level"] == "warning"]

    assert any("/v1/rerank" in str(line) and "/plain" in str(line) for line in warnings)
