"""The kit against itself: client and upstream meet without a gateway between them."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import canaries
from tests.kit.client import Client, request, request_head
from tests.kit.gateway import free_port
from tests.kit.mortal import MortalUpstream
from tests.kit.upstream import (
    CLOSE,
    FIN,
    RST,
    SILENCE,
    Turn,
    Upstream,
    answer,
    chunk,
    flood,
    head,
    repeat,
    wait,
)


@pytest.fixture
def server() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.stop()
    assert upstream.surprises == []


@pytest.fixture
def direct(server: Upstream) -> Iterator[Client]:
    client = Client(server.port)
    yield client
    client.close()


def test_upstream_remembers_a_request_octet_for_octet(server: Upstream, direct: Client) -> None:
    sent = request("POST", "/a%2Fb?x", [("X-Two", "1"), ("x-two", "2")], b"body")

    direct.send(sent)
    got = direct.answer("POST")

    (seen,) = server.requests
    assert (got.status, bytes(got.body)) == (200, b"plain answer")
    assert seen.connection.raw == sent
    assert (seen.method, seen.target, seen.fields.every("X-TWO")) == ("POST", "/a%2Fb?x", ["1", "2"])
    assert (bytes(seen.body), seen.whole, seen.sha256) == (b"body", True, hashlib.sha256(b"body").hexdigest())


def test_upstream_reads_chunks_and_trailers(server: Upstream, direct: Client) -> None:
    direct.send(request_head("POST", "/", [("Transfer-Encoding", "chunked")]))
    direct.send(b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nX-T: 1\r\n\r\n")

    assert direct.answer("POST").is_whole

    (seen,) = server.requests
    assert (bytes(seen.body), seen.whole, seen.trailers) == (b"abcde", True, [("X-T", "1")])


def test_upstream_tells_a_short_request_from_a_whole_one(server: Upstream, direct: Client) -> None:
    direct.send(request_head("POST", "/", [("Content-Length", "100")]) + b"12345")
    server.wait_for_request().wait_for_body(5)

    direct.reset()

    seen = server.wait_for_request()
    seen.wait_until_finished()
    assert seen.connection.ended.wait(10)
    assert (seen.whole, seen.body_bytes, seen.connection.ending) == (False, 5, "reset")


def test_connection_reuse_can_be_told(server: Upstream, direct: Client) -> None:
    for _ in range(2):
        direct.ask("GET", "/")

    assert [seen.connection.number for seen in server.requests] == [1, 1]


def test_scripts_take_turns_and_the_last_one_stays(server: Upstream, direct: Client) -> None:
    server.plays_in_turn([answer(201)], [answer(202)])

    assert [direct.ask("GET", "/").status for _ in range(3)] == [201, 202, 202]


def test_a_script_waits_for_the_test(server: Upstream, direct: Client) -> None:
    go = threading.Event()
    server.plays(head(200, [("Transfer-Encoding", "chunked")]), chunk(b"one"), wait(go), chunk(b"two"), chunk(b""))
    direct.send(request("GET", "/"))
    got = direct.begin_answer()

    direct.read_until(got, b"one")
    go.set()

    assert bytes(direct.finish(got).body) == b"onetwo"


@pytest.mark.parametrize(
    ("ends", "ending"),
    [
        pytest.param(FIN, "cut", id="FIN"),
        pytest.param(CLOSE, "cut", id="close"),
        pytest.param(RST, "reset", id="RST"),
    ],
)
@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(head(200, [("Content-Length", "9")]) + b"half", id="length"),
        pytest.param(head(200, [("Transfer-Encoding", "chunked")]) + chunk(b"half"), id="chunked"),
    ],
)
def test_judge_calls_a_broken_answer_broken(
    server: Upstream, direct: Client, begun: bytes, ends: object, ending: str
) -> None:
    go = threading.Event()
    server.plays(begun, wait(go), ends)  # type: ignore[arg-type]
    direct.send(request("GET", "/"))
    got = direct.begin_answer()
    direct.read_until(got, b"half")
    go.set()

    assert direct.finish(got).ending == ending


def test_judge_refuses_an_answer_that_is_no_http(server: Upstream, direct: Client) -> None:
    server.plays(b"SSH-2.0-x\r\n\r\n")

    assert direct.ask("GET", "/").ending == "invalid"


def test_judge_skips_informational_answers_and_keeps_what_follows(server: Upstream, direct: Client) -> None:
    server.plays(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", answer(200, body=b"a"), answer(299, body=b"b"))

    first, second = direct.ask("GET", "/"), direct.answer()

    assert (first.informational, first.status, bytes(first.body)) == ([103], 200, b"a")
    assert (second.status, bytes(second.body)) == (299, b"b")


def test_an_end_of_the_peer_is_seen_while_silent(server: Upstream, direct: Client) -> None:
    server.plays(SILENCE)
    direct.send(request("GET", "/"))
    seen = server.wait_for_request()

    direct.close()

    assert seen.connection.ended.wait(10)
    assert seen.connection.ending == "fin"


def test_a_flood_ends_with_its_reader(server: Upstream, direct: Client) -> None:
    server.plays(head(200), flood(b"x" * 65536))
    direct.send(request("GET", "/"))
    got = direct.begin_answer()
    direct.read_until(got, b"x" * 1000)

    direct.close()

    assert server.requests[0].connection.ended.wait(10)


def test_an_early_answer_is_given_before_the_body(server: Upstream, direct: Client) -> None:
    server.plays_unread(answer(413, body=b"too much"), CLOSE)
    direct.send(request_head("POST", "/", [("Content-Length", "1000")]))

    assert direct.answer("POST").status == 413


def test_big_bodies_are_hashed_and_not_held(server: Upstream, direct: Client) -> None:
    block, times = bytes(range(256)) * 4096, 64
    server.plays(head(200, [("Content-Length", str(len(block) * times))]), repeat(block, times))
    sending = direct.send_in_background(request("POST", "/", body=block * times))

    got = direct.answer("POST")

    sending.join()
    (seen,) = server.requests
    assert got.sha256 == seen.sha256 == hashlib.sha256(block * times).hexdigest()
    assert (len(seen.body), seen.body_bytes, got.body_bytes) == (1 << 20, 64 << 20, 64 << 20)


def test_forget_ends_what_a_test_left_open(server: Upstream, direct: Client) -> None:
    server.plays(wait(threading.Event()))
    direct.send(request("GET", "/"))
    connection = server.wait_for_request().connection

    server.forget()

    assert connection.ended.wait(10)
    assert (server.requests, server.octets, server.surprises) == ([], 0, [])


def test_a_failing_script_is_told(direct: Client, server: Upstream) -> None:
    def fails(turn: Turn) -> None:
        raise LookupError("in the script")

    server.plays(fails)
    direct.send(request("GET", "/x"))
    assert direct.is_closed_by_peer()

    assert server.surprises == ["GET /x: LookupError('in the script')"]
    server.forget()


def test_a_killed_upstream_breaks_off(tmp_path: Path) -> None:
    mortal = MortalUpstream(tmp_path, head(200, [("Content-Length", "9")]) + b"half")
    client = Client(mortal.port)
    client.send(request("GET", "/"))
    got = client.begin_answer()
    client.read_until(got, b"half")

    mortal.kill()

    assert client.finish(got).ending in ("cut", "reset")
    client.close()


def test_canaries_are_found() -> None:
    assert canaries.found(b"x" + canaries.CLIENT_BODY.encode() + b"y") == [canaries.CLIENT_BODY]


def test_a_free_port_refuses_until_somebody_listens_on_it() -> None:
    port = free_port()
    with pytest.raises(ConnectionRefusedError):
        Client(port)

    with socket.create_server(("127.0.0.1", port)):
        Client(port).close()


def test_a_late_request_does_not_reach_the_next_test(server: Upstream) -> None:
    for _ in range(50):
        late = Client(server.port)
        late.send(request("GET", "/late"))
        late.close()

        server.forget()

        assert (server.requests, server.octets) == ([], 0)
