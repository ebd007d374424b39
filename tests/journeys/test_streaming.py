"""RELIABILITY group ST: bodies on their way down, as they come, whole or visibly not."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import select
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kit.client import Answer, Client, request
from tests.kit.gateway import Gateway
from tests.kit.mortal import MortalUpstream
from tests.kit.upstream import (
    CLOSE,
    FIN,
    RST,
    SILENCE,
    Step,
    Turn,
    Upstream,
    answer,
    chunk,
    flood,
    head,
    repeat,
    wait,
)

MIB = 1 << 20
BLOCK = bytes(range(256)) * 4096
SSE = ("Content-Type", "text/event-stream")
CHUNKED = ("Transfer-Encoding", "chunked")
NUMBERS = itertools.count()
EVENTS = [b"data: %d\n\n" % i for i in range(5)]


def streamed(
    framing: str, total: int, fields: list[tuple[str, str]]
) -> tuple[bytes, Callable[[bytes], bytes], list[Step]]:
    """Return head, the wrapping of a piece, and the last steps of a body in that framing."""
    match framing:
        case "chunked":
            return head(200, [*fields, CHUNKED]), chunk, [chunk(b"")]
        case "length":
            return head(200, [*fields, ("Content-Length", str(total))]), bytes, []
        case _:
            return head(200, fields), bytes, [FIN]


def one_by_one(wrap: Callable[[bytes], bytes]) -> tuple[list[threading.Event], list[Step]]:
    """Return the steps that send each event only once the one before was read, and what tells them so."""
    read = [threading.Event() for _ in EVENTS]
    steps: list[Step] = []
    for event, sent in zip(read, EVENTS, strict=True):
        steps += [wrap(sent), wait(event)]
    return read, steps


def read_one_by_one(client: Client, target: str, read: list[threading.Event]) -> Answer:
    """Ask for the events, and tell of each that it was read."""
    client.send(request("GET", target))
    got = client.begin_answer()
    for event, sent in zip(read, EVENTS, strict=True):
        client.read_until(got, sent)
        event.set()
    return client.finish(got)


@pytest.mark.parametrize("content_type", ["text/event-stream", "application/json", None])
@pytest.mark.parametrize(
    "framing",
    [
        pytest.param("chunked", id="ST-01 chunked"),
        pytest.param("length", id="ST-02 length"),
        pytest.param("close", id="ST-02 close"),
    ],
)
def test_each_event_leaves_before_the_next_one_comes(
    client: Client, upstream: Upstream, framing: str, content_type: str | None
) -> None:
    """ST-01, ST-02: by causality: the upstream sends an event only after the client has read the one before."""
    fields = [("Content-Type", content_type)] if content_type else []
    begin, wrap, end = streamed(framing, len(b"".join(EVENTS)), fields)
    read, steps = one_by_one(wrap)
    upstream.plays(begin, *steps, *end)

    got = read_one_by_one(client, "/plain", read)

    assert (bytes(got.body), got.is_whole) == (b"".join(EVENTS), True)
    assert got.fields.every("content-length") == ([str(got.body_bytes)] if framing == "length" else [])


def test_events_of_an_upstream_that_speaks_tls_leave_as_they_come(
    client: Client, tls_upstreams: dict[str, Upstream]
) -> None:
    """ST-01, where a socket may be readable and have nothing for us."""
    upstream = tls_upstreams["good"]
    read, steps = one_by_one(chunk)
    upstream.forget()
    upstream.plays(head(200, [SSE, CHUNKED]), *steps, chunk(b""))

    got = read_one_by_one(client, "/tls/good", read)
    upstream.forget()

    assert (bytes(got.body), got.is_whole) == (b"".join(EVENTS), True)


def test_head_leaves_before_the_body_comes(client: Client, upstream: Upstream) -> None:
    """ST-01: the client knows status and fields while the upstream still thinks."""
    go = threading.Event()
    upstream.plays(head(200, [SSE, CHUNKED]), wait(go), chunk(b"x"), chunk(b""))
    client.send(request("GET", "/plain"))

    got = client.begin_answer()
    go.set()

    assert (got.status, got.fields.one("content-type")) == (200, "text/event-stream")
    assert client.finish(got).is_whole


def test_chunks_split_anywhere_come_out_the_same(client: Client, upstream: Upstream) -> None:
    """ST-01: framing octets, and the head, may come one by one."""
    octets = head(200, [CHUNKED]) + chunk(b"one") + b"000003;x=y\r\ntwo\r\n" + chunk(b"")
    upstream.plays(*[octets[i : i + 1] for i in range(len(octets))])

    assert bytes(client.ask("GET", "/plain").body) == b"onetwo"
    assert bytes(client.ask("GET", "/plain").body) == b"onetwo"


FRAMINGS = {
    "length": [head(200, [("Content-Length", "1000")]) + b"half"],
    "chunked": [head(200, [CHUNKED]) + chunk(b"half")],
    "in a chunk": [head(200, [CHUNKED]) + b"3e8\r\nhalf"],
    "last chunk half": [head(200, [CHUNKED]) + chunk(b"half") + b"0\r\n"],
    "close": [head(200) + b"half"],
}


def cut(client: Client, upstream: Upstream, begun: list[Step], ends: Step) -> Answer:
    """Return the answer of an upstream that ended in its middle, once the client had its first octets."""
    go = threading.Event()
    upstream.plays(*begun, wait(go), ends)
    client.send(request("GET", "/plain"))
    got = client.begin_answer()
    client.read_until(got, b"half")
    go.set()
    return client.finish(got)


@pytest.mark.parametrize(
    ("framing", "ends"),
    [
        pytest.param("length", FIN, id="ST-04 length, FIN"),
        pytest.param("length", CLOSE, id="ST-04 length, close"),
        pytest.param("length", RST, id="ST-04 length, RST"),
        pytest.param("chunked", FIN, id="ST-05 chunked, FIN"),
        pytest.param("chunked", RST, id="ST-05 chunked, RST"),
        pytest.param("in a chunk", FIN, id="ST-05 in a chunk, FIN"),
        pytest.param("last chunk half", FIN, id="ST-05 last chunk without its last line, FIN"),
        pytest.param("close", RST, id="ST-05 close-framed, RST"),
    ],
)
def test_cut_answer_is_never_whole(client: Client, upstream: Upstream, framing: str, ends: Step) -> None:
    """ST-04, ST-05, ST-07: fewer octets, no last chunk, and the connection closed at once."""
    got = cut(client, upstream, list(FRAMINGS[framing]), ends)

    assert (got.status, got.ending in ("cut", "reset")) == (200, True)
    assert bytes(got.body) == b"half"
    (seen,) = upstream.requests
    assert seen.connection.ended.wait(10)


def test_cut_answer_to_an_http_1_0_client_is_a_reset(client: Client, upstream: Upstream) -> None:
    """ST-05: without chunks a FIN would be the normal end (RELIABILITY §4.1, G4)."""
    go = threading.Event()
    upstream.plays(head(200, [CHUNKED]), chunk(b"half"), wait(go), FIN)
    client.send(b"GET /plain HTTP/1.0\r\n\r\n")
    got = client.begin_answer()
    client.read_until(got, b"half")
    go.set()

    assert client.finish(got).ending == "reset"
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "octets", [b"zz\r\n", b"-1\r\nx\r\n", b"4\r\nhalfXX", b"f" * 20 + b"\r\n", b"5;" + b"a" * 100_000]
)
def test_bad_chunk_breaks_the_answer_off(client: Client, upstream: Upstream, octets: bytes) -> None:
    """ST-05: garbage in the framing is no clean end either."""
    got = cut(
        client, upstream, [head(200, [CHUNKED]) + chunk(b"half")], lambda turn: turn.send(octets) or turn.until_gone()
    )

    assert got.ending in ("cut", "reset")
    assert bytes(got.body) in (b"half", b"halfhalf")
    assert len(upstream.requests) == 1


def test_next_answer_never_fills_the_gap(client: Client, upstream: Upstream) -> None:
    """ST-07: the second request was sent before the first answer broke."""
    go = threading.Event()
    upstream.plays_in_turn([head(200, [("Content-Length", "100")]) + b"half", wait(go), FIN], [answer(body=b"x" * 96)])
    client.send(request("GET", "/plain") + request("GET", "/plain"))
    got = client.begin_answer()
    client.read_until(got, b"half")
    go.set()

    client.finish(got)

    assert (got.ending in ("cut", "reset"), bytes(got.body)) == (True, b"half")


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[MortalUpstream]:
    mortal = MortalUpstream(tmp_path, head(200, [("Content-Length", "1000")]) + b"half")
    yield mortal
    mortal.kill()


def test_killed_upstream_breaks_the_answer_off(start_gateway: Callable[..., Gateway], mortal: MortalUpstream) -> None:
    """ST-04: SIGKILL, the kernel closes for it."""
    route = f'{{path: /plain, target: "http://{mortal.authority}/"}}'
    gateway = start_gateway(f"general_settings: {{pass_through_endpoints: [{route}]}}", workers=1)
    client = gateway.client()
    client.send(request("GET", "/plain"))
    got = client.begin_answer()
    client.read_until(got, b"half")

    mortal.kill()

    assert client.finish(got).ending in ("cut", "reset")


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param(b"extra", id="ST-08 some octets"),
        pytest.param(answer(body=b"forged"), id="ST-08 a forged answer"),
    ],
)
def test_octets_after_the_length_are_dropped_with_their_connection(
    client: Client, upstream: Upstream, extra: bytes
) -> None:
    upstream.plays_in_turn([answer(body=b"exact") + extra], [answer(body=b"next")])

    first, second = client.ask("GET", "/plain"), client.ask("GET", "/plain")

    assert (bytes(first.body), bytes(second.body)) == (b"exact", b"next")
    one, other = upstream.requests
    assert one.connection is not other.connection


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        pytest.param("gzip", gzip.compress(b"hello" * 1000), id="ST-10 gzip"),
        pytest.param("gzip", b"not gzip at all", id="ST-10 not gzip at all"),
        pytest.param("deflate", b"\x78\x9c\x00", id="ST-10 deflate"),
        pytest.param("br, gzip", b"\x00\x01\x02", id="ST-11 br, gzip"),
        pytest.param("foo", b"\x00\x01\x02", id="ST-11 foo"),
        pytest.param("gzip, gzip, br, zstd, deflate, gzip", b"\x00\x01", id="ST-11 six codings"),
    ],
)
@pytest.mark.parametrize("accepts", ["gzip, br", None])
def test_content_coding_is_left_alone(
    gateway: Gateway, upstream: Upstream, coding: str, body: bytes, accepts: str | None
) -> None:
    upstream.plays(answer(200, [("Content-Encoding", coding)], body))

    got = gateway.ask("GET", "/plain", [("Accept-Encoding", accepts)] if accepts else [])

    assert (got.fields.one("content-encoding"), got.fields.one("content-length")) == (coding, str(len(body)))
    assert bytes(got.body) == body
    assert upstream.requests[0].fields.every("accept-encoding") == ([accepts] if accepts else [])


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_download_is_streamed_with_bounded_memory(gateway: Gateway, upstream: Upstream, framing: str) -> None:
    """ST-13: 64 MiB here; the 1 GiB run is the bench's."""
    assert gateway.ask("POST", "/open", body=BLOCK).status == 200
    before_kib = gateway.high_water_kib()
    begin, wrap, end = streamed(framing, 64 * MIB, [])
    upstream.plays(begin, repeat(wrap(BLOCK), 64), *end)

    got = gateway.ask("GET", "/plain")

    assert (got.is_whole, got.body_bytes) == (True, 64 * MIB)
    assert got.sha256 == hashlib.sha256(BLOCK * 64).hexdigest()
    assert gateway.high_water_kib() - before_kib < 16 * 1024


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([answer()], id="ST-14 length 0"),
        pytest.param([head(200, [CHUNKED]) + chunk(b"")], id="ST-14 empty chunked"),
        pytest.param([head(200), FIN], id="ST-14 immediate close"),
        pytest.param([b"HTTP/1.0 200 OK\r\n\r\n", FIN], id="ST-14 HTTP/1.0 and close"),
    ],
)
def test_empty_body_is_framed_and_does_not_hang(client: Client, upstream: Upstream, steps: list[Step]) -> None:
    upstream.plays_in_turn(steps, [answer(body=b"next")])

    first, second = client.ask("GET", "/plain"), client.ask("GET", "/plain")

    assert (first.status, first.body_bytes, first.is_whole) == (200, 0, True)
    assert bytes(second.body) == b"next"
    assert len(upstream.requests) == 2


LEAVES = [pytest.param(Client.close, id="FIN"), pytest.param(Client.reset, id="RST")]


@pytest.mark.parametrize("leave", LEAVES)
def test_client_that_leaves_amid_events_ends_the_upstream(
    gateway: Gateway, upstream: Upstream, leave: Callable[[Client], None]
) -> None:
    """ST-16: and the exchange is logged as client_left."""
    upstream.plays(head(200, [SSE, CHUNKED]), flood(chunk(b"data: x\n\n")))
    client = gateway.client()
    client.send(request("GET", "/plain"))
    got = client.begin_answer()
    client.read_until(got, b"data: x\n\n")

    leave(client)

    (seen,) = upstream.requests
    assert seen.connection.ended.wait(10)
    assert seen.connection.requests[-1] is seen
    assert gateway.exchange(got.request_id)["outcome"] == "client_left"


@pytest.mark.parametrize("leave", LEAVES)
@pytest.mark.parametrize(
    "begun",
    [
        pytest.param([head(200, [SSE, CHUNKED]) + chunk(b"data: x\n\n")], id="ST-17 chunked"),
        pytest.param([head(200, [SSE, ("Content-Length", "100")]) + b"data: x\n\n"], id="ST-17 length"),
        pytest.param([head(200, [SSE]) + b"data: x\n\n"], id="ST-17 close"),
    ],
)
def test_client_that_leaves_a_silent_stream_ends_the_upstream(
    gateway: Gateway, upstream: Upstream, begun: list[Step], leave: Callable[[Client], None]
) -> None:
    upstream.plays(*begun, SILENCE)
    client = gateway.client()
    client.send(request("POST", "/plain", body=b"{}"))
    got = client.begin_answer()
    client.read_until(got, b"data: x\n\n")

    leave(client)

    (seen,) = upstream.requests
    assert seen.connection.ended.wait(10)
    assert gateway.exchange(got.request_id)["outcome"] == "client_left"


@pytest.mark.parametrize("leave", LEAVES)
@pytest.mark.parametrize("body", [None, b"{}"])
def test_client_that_leaves_before_the_head_ends_the_upstream(
    gateway: Gateway, upstream: Upstream, body: bytes | None, leave: Callable[[Client], None]
) -> None:
    """ST-17: while the upstream still thinks, as models do."""
    upstream.plays(SILENCE)
    client = gateway.client()
    path = f"/tree/left-{next(NUMBERS)}"
    client.send(request("POST", path, body=body))
    seen = upstream.wait_for_request()
    if body:
        seen.wait_for_body(len(body))

    leave(client)

    assert seen.connection.ended.wait(10)
    assert gateway.exchange_of_path(path)["outcome"] == "client_left"


def test_slow_reader_holds_the_upstream_back(gateway: Gateway, upstream: Upstream) -> None:
    """ST-19: with 128 MiB on offer, little more than the sockets' buffers leaves the upstream; memory stays flat."""
    assert gateway.ask("POST", "/open", body=BLOCK).status == 200
    before_kib = gateway.high_water_kib()
    held_back = threading.Event()
    sent = []

    def offer(turn: Turn) -> None:
        sock = turn.connection.sock
        while select.select([], [sock], [], 0.5)[1] and sum(sent) < 128 * MIB:
            sent.append(sock.send(BLOCK[: 1 << 16]))
        held_back.set()
        turn.until_gone()

    upstream.plays(head(200, [("Content-Length", str(128 * MIB))]), offer)
    client = gateway.client(receive_buffer_bytes=1 << 16)
    client.send(request("GET", "/plain"))
    got = client.begin_answer()

    assert held_back.wait(10)

    assert got.status == 200
    assert sum(sent) < 64 * MIB
    assert gateway.high_water_kib() - before_kib < 16 * 1024


def test_reader_that_stops_for_good_is_cut(gateway: Gateway, upstream: Upstream) -> None:
    """ST-20: on a route with idle: 0.5 the slot is freed on both sides."""
    upstream.plays(head(200, [CHUNKED]), flood(chunk(BLOCK)))
    client = gateway.client(receive_buffer_bytes=1 << 16)
    client.send(request("GET", "/idle"))
    got = client.begin_answer()

    (seen,) = upstream.wait_for_requests(1)

    assert seen.connection.ended.wait(10)
    assert client.finish(got).ending in ("cut", "reset")


def tagged(turn: Turn) -> None:
    """Answer with events that bear the request's tag; the third waits for the test."""
    tag = turn.seen.target.rpartition("/")[2]
    turn.send(head(200, [SSE, CHUNKED, ("X-Tag", tag)]))
    for i in range(6):
        turn.send(chunk(f"data: {tag} {i}\n\n".encode()))
        if i == 2:
            turn.wait(MIDWAY)
    turn.send(chunk(b""))


MIDWAY = threading.Event()


def begin_tagged(gateway: Gateway, count: int) -> list[tuple[str, Client, Answer]]:
    """Return so many streams, all open, each read up to its third event."""
    clients = [(f"tag-{i}", gateway.client()) for i in range(count)]
    for tag, client in clients:
        client.send(request("POST", f"/tree/{tag}", [("X-Tag", tag)], tag.encode() * 10))
    streams = [(tag, client, client.begin_answer("POST")) for tag, client in clients]
    for tag, client, got in streams:
        client.read_until(got, f"data: {tag} 2\n\n".encode())
    return streams


def assert_own(tag: str, got: Answer) -> None:
    assert got.is_whole
    assert got.fields.one("x-tag") == tag
    assert bytes(got.body) == "".join(f"data: {tag} {i}\n\n" for i in range(6)).encode()


def test_concurrent_streams_do_not_cross(gateway: Gateway, upstream: Upstream) -> None:
    """ST-22: 200 of them, all open at once."""
    MIDWAY.clear()
    upstream.plays(tagged)
    streams = begin_tagged(gateway, 200)
    MIDWAY.set()

    for tag, client, got in streams:
        assert_own(tag, client.finish(got))

    assert len({got.request_id for _, _, got in streams}) == 200
    assert {seen.fields.one("x-tag") for seen in upstream.requests} == {tag for tag, _, _ in streams}
    for seen in upstream.requests:
        assert bytes(seen.body) == seen.fields.one("x-tag").encode() * 10


def test_streams_of_killed_clients_leak_into_no_other(gateway: Gateway, upstream: Upstream) -> None:
    """ST-23: 50 of 200 are killed midway; what they left is never pooled, and the next 200 are clean too."""
    MIDWAY.clear()
    upstream.plays(tagged)
    streams = begin_tagged(gateway, 200)
    killed, kept = streams[::4], [stream for i, stream in enumerate(streams) if i % 4]
    for _, client, _ in killed:
        client.reset()
    assert {gateway.exchange(got.request_id)["outcome"] for _, _, got in killed} == {"client_left"}
    killed_tags = {tag for tag, _, _ in killed}
    left = [seen for seen in upstream.requests if seen.fields.one("x-tag") in killed_tags]
    assert len(left) == 50
    MIDWAY.set()
    assert all(seen.connection.ended.wait(10) for seen in left)

    for tag, client, got in kept:
        assert_own(tag, client.finish(got))
    gateway.close_clients()
    for tag, client, got in begin_tagged(gateway, 200):
        assert_own(tag, client.finish(got))
    assert all(seen.connection.requests[-1] is seen for seen in left)
