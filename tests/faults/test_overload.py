"""Too many, too slow, or nobody there: fast refusals, and no harm to the others (G25 to G27; OR-01 to OR-07)."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from app import worker
from tests.conftest import Launch
from tests.faults import plans, scenarios
from tests.faults.callers import Caller, as_planned, ask_once
from tests.faults.conftest import Play, played
from tests.faults.plans import Plan
from tests.faults.scenarios import Findings
from tests.faults.upstream import PlannedUpstream
from tests.kit.claims import gateway_error
from tests.kit.client import Client
from tests.kit.waiting import eventually


def test_one_connection_too_many_is_told_so(start_gateway: Launch, faults_config: str) -> None:
    """G27, OR-04, OR-07: at once, before it has asked; and one that leaves makes room."""
    gateway = start_gateway(faults_config, workers=1, GUNICORN_CMD_ARGS="--worker-connections 3")
    kept = [gateway.client() for _ in range(3)]
    assert [client.ask("GET", "/health/liveliness").status for client in kept] == [200] * 3

    silent = [gateway.client().answer() for _ in range(5)]
    asking = [gateway.client().ask("GET", "/f") for _ in range(100)]
    too_many = silent + asking
    kept[0].close()
    eventually(lambda: asked(gateway.client()) == 404, 10, "there is room again")

    assert [(got.status, got.fields.one("retry-after")) for got in too_many] == [(503, "1")] * 105
    assert {gateway_error(got)["code"] for got in too_many} == {"server_overloaded"}
    assert kept[1].ask("GET", "/health/liveliness").status == 200


def test_a_full_worker_tells_that_it_lives(start_gateway: Launch, faults_config: str) -> None:
    """OR-05: or it would be killed for being busy. It is told on a connection of its own, and makes no room."""
    gateway = start_gateway(faults_config, workers=1, GUNICORN_CMD_ARGS="--worker-connections 2")
    kept = [gateway.client() for _ in range(2)]
    assert [client.ask("GET", "/nowhere").status for client in kept] == [404] * 2

    healths = [gateway.client().ask("GET", f"/health/{name}") for name in ("liveliness", "liveness", "readiness")]
    others = [gateway.client().ask("GET", path) for path in ("/health", "/health/livelinesses", "/f/health/liveness")]
    begun = gateway.client()
    begun.send(b"GET /health/liveliness HTTP/1.1\r\nHost: g\r\n")
    broken = gateway.client()
    broken.send(b"GET /health/liveliness HTTP/1.1\r\nHost g\r\n\r\n")

    assert [(got.status, got.fields.one("connection")) for got in healths] == [(200, "close")] * 3
    assert [got.status for got in others] == [503] * 3
    assert (begun.answer().status, broken.answer().status) == (503, 400)
    assert [client.ask("GET", "/nowhere").status for client in kept] == [404] * 2


def asked(client: Client) -> int:
    try:
        return client.ask("GET", "/nowhere").status
    except OSError:
        return 0
    finally:
        client.close()


@pytest.mark.parametrize(("files", "connections"), [(256, 64), (1_024, 448), (20_000, 9_936), (1_000_000, 10_000)])
def test_a_worker_takes_what_its_files_allow(monkeypatch: pytest.MonkeyPatch, files: int, connections: int) -> None:
    """OR-07: each client takes a file, and its upstream another."""
    monkeypatch.setattr(worker.resource, "getrlimit", lambda _: (files, files))

    assert worker.most_connections(10_000) == connections


def test_slow_clients_harm_nobody(play: Play) -> None:
    """G25; OR-01, OR-02: half heads, half bodies and clients that do not read, beside healthy ones."""

    async def scenario(port: int, upstream: PlannedUpstream) -> Findings:
        with contextlib.ExitStack() as stack:
            for number in range(150):
                slow = stack.enter_context(contextlib.closing(socket.create_connection(("127.0.0.1", port))))
                slow.sendall(half(number))
            await scenarios.settled(lambda: upstream.open >= 50)
            return await scenarios.answers(port, upstream, 200, 25, plans.WHOLE, callers=8)

    assert play(scenario).complaints == []


def half(number: int) -> bytes:
    """Return a request that is never finished, or never read."""
    match number % 3:
        case 0:
            return b"GET /f HTTP/1.1\r\nHost: g\r\nX-A: "
        case 1:
            target = Plan(f"half-{number}", "plain", "POST").target
            return f"POST /f{target} HTTP/1.1\r\nHost: g\r\nContent-Length: 100\r\n\r\nhalf".encode()
        case _:
            target = Plan(f"unread-{number}", "flood", framing="chunked").target
            return f"GET /f{target} HTTP/1.1\r\nHost: g\r\n\r\n".encode()


def test_dead_upstream_harms_no_other_route(play: Play, other_listener: socket.socket, faults_gateway: object) -> None:
    """G26, OR-05: calls hang on one upstream, and go on waiting; those of another are answered."""

    async def scenario(port: int, dead: PlannedUpstream) -> Findings:
        async with PlannedUpstream(other_listener) as alive:
            callers = [Caller(port) for _ in range(200)]
            hanging = [
                asyncio.ensure_future(caller.ask(Plan(f"hangs-{number}", "silence")))
                for number, caller in enumerate(callers)
            ]
            await scenarios.settled(lambda: len(dead.begun) == len(callers))
            verdicts = [
                await ask_once(port, Plan(f"lives-{number}", "plain", size=9), "/other") for number in range(50)
            ]
            health = await ask_once(port, Plan("health", "plain"), "/health/readiness")
            still = sum(not task.done() for task in hanging)
            for caller in callers:
                caller.close()
            await asyncio.gather(*hanging)
            wrong = [told for verdict in verdicts if (told := as_planned(verdict)) is not None]
            return Findings(wrong, {"hanging": still, "answered": len(alive.whole), "health": health.status})

    found = play(scenario)

    assert found.complaints == []
    assert found.figures == {"hanging": 200, "answered": 50, "health": 200}


def test_endless_waiting_for_one_upstream_is_refused(
    start_gateway: Launch, faults_config: str, planned_listener: socket.socket
) -> None:
    """OR-04: the one too many is told at once, and not one octet of it goes upstream."""
    limited = faults_config.replace("general_settings:", "general_settings:\n  max_waiting_per_upstream: 3")
    gateway = start_gateway(limited, workers=1)

    async def scenario(port: int, upstream: PlannedUpstream) -> Findings:
        callers = [Caller(port) for _ in range(3)]
        hanging = [asyncio.ensure_future(c.ask(Plan(f"hangs-{n}", "silence"))) for n, c in enumerate(callers)]
        await scenarios.settled(lambda: len(upstream.begun) == 3)
        refused = await ask_once(port, Plan("refused", "plain"))
        callers[0].close()
        is_free = await scenarios.settled(lambda: upstream.busy == 2)
        served = await ask_once(port, Plan("served", "plain", size=9))
        for caller in callers:
            caller.close()
        await asyncio.gather(*hanging, return_exceptions=True)
        assert (refused.status, dict(refused.fields)["retry-after"], upstream.begun["refused"]) == (503, "1", 0)
        assert b"upstream_overloaded" in refused.body
        assert (is_free, as_planned(served)) == (True, None)
        return Findings()

    played(gateway.port, planned_listener, scenario)
