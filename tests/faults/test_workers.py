"""Reload, stop and death under load (G18 to G23; DR-01, DR-02, DR-04, CE-16)."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
from collections.abc import Awaitable, Callable

import pytest

from tests.conftest import Launch
from tests.faults import scenarios
from tests.faults.conftest import played
from tests.faults.scenarios import Findings, Load, settled
from tests.faults.upstream import PlannedUpstream
from tests.kit.gateway import Gateway
from tests.kit.waiting import eventually
from tests.kit.workers import client_of_each, worker_of

Happen = Callable[[Load, PlannedUpstream], Awaitable[None]]


def generation(config: str, number: int) -> str:
    """Return the config with a number in it twice."""
    header = f'headers: {{X-Generation: "{number}", X-Generation-Again: "{number}"}}, forward_headers'
    return config.replace("forward_headers", header)


@pytest.fixture
def own_gateway(start_gateway: Launch, faults_config: str) -> Gateway:
    return start_gateway(generation(faults_config, 0))


@pytest.fixture
def under_load(own_gateway: Gateway, planned_listener: socket.socket) -> Callable[[Happen], Findings]:
    """Let something happen to the gateway while 600 requests come, 300 a second."""

    def play(happen: Happen) -> Findings:
        async def scenario(port: int, upstream: PlannedUpstream) -> Findings:
            found = await scenarios.steady(port, 600, 300.0, 18, lambda load: happen(load, upstream))
            return Findings(found.complaints + upstream.complaints, found.figures)

        return played(own_gateway.port, planned_listener, scenario)

    return play


def test_reload_fails_nobody(
    under_load: Callable[[Happen], Findings], own_gateway: Gateway, faults_config: str
) -> None:
    """G18, G19; DR-01: three good files take over in turn; each request is served by one of them."""
    seen = []

    async def happen(_load: Load, upstream: PlannedUpstream) -> None:
        for number in (1, 2, 3):
            own_gateway.config_path.write_text(generation(faults_config, number))
            own_gateway.signal(signal.SIGHUP)
            seen.append(await settled(lambda wanted=str(number): upstream.generations[wanted] > 0))

    found = under_load(happen)

    assert found.complaints == []
    assert seen == [True, True, True]


def test_bad_file_fails_nobody(under_load: Callable[[Happen], Findings], own_gateway: Gateway) -> None:
    """G23; CE-16."""
    told = []

    async def happen(_load: Load, _upstream: PlannedUpstream) -> None:
        own_gateway.config_path.write_text("general_settings: {pass_through_endpoints: [{path: /new}]}\n")
        own_gateway.signal(signal.SIGHUP)
        told.append(await settled(lambda: b"was not reloaded" in own_gateway.words()))

    found = under_load(happen)

    assert found.complaints == []
    assert told == [True]


def test_reloads_in_a_row_fail_nobody_and_the_last_good_file_wins(
    under_load: Callable[[Happen], Findings], own_gateway: Gateway, faults_config: str
) -> None:
    """However many: one generation serves, one starts, and those before have nothing left to do but to end."""
    seen = []

    async def happen(_load: Load, upstream: PlannedUpstream) -> None:
        for number in range(1, 11):
            is_bad = number == 5
            own_gateway.config_path.write_text("[" if is_bad else generation(faults_config, number))
            own_gateway.signal(signal.SIGHUP)
            if is_bad:
                assert await settled(lambda: b"was not reloaded" in own_gateway.words())
        seen.append(await settled(lambda: upstream.generations["10"] > 0))

    found = under_load(happen)

    assert found.complaints == []
    assert seen == [True]
    # The more it is asked in a time in which workers end, the more of them there are; that is no claim.
    serving = re.findall(rb"new workers are starting, (\d+) old ones", own_gateway.words())
    assert 1 <= len(serving) <= 9
    assert set(serving) == {b"2"}


def test_killed_worker_costs_what_it_had_in_flight(
    under_load: Callable[[Happen], Findings], own_gateway: Gateway
) -> None:
    """G22; DR-04: visibly, and another takes its place."""
    (killed, other) = own_gateway.worker_pids()
    at_stake, replaced = [], []

    async def happen(load: Load, _upstream: PlannedUpstream) -> None:
        await settled(lambda: len(load.verdicts) > 100)
        at_stake.append(len(load.flying) + len(load.idle))
        os.kill(killed, signal.SIGKILL)
        replaced.append(await settled(lambda: len(set(own_gateway.worker_pids()) - {killed}) == 2))

    found = under_load(happen)

    assert len(found.complaints) <= at_stake[0]
    assert all(" whole " not in wrong for wrong in found.complaints)
    assert replaced == [True]
    assert other in own_gateway.worker_pids()


def test_half_a_request_is_answered_by_a_worker_that_is_replaced(own_gateway: Gateway) -> None:
    """And a reload is no reason for a load balancer to leave: readiness says 200 throughout."""
    old = set(own_gateway.worker_pids())
    halves = list(client_of_each(own_gateway).values())
    for client in halves:
        client.send(b"GET /health/readiness HTTP/1.1\r\nHost: ")

    own_gateway.signal(signal.SIGHUP)
    eventually(lambda: len(set(own_gateway.worker_pids()) - old) == 2, 20, "new workers")
    eventually(lambda: b"the new workers serve" in own_gateway.words(), 20, "old workers are told to end")
    eventually(lambda: new_ones_serve(own_gateway, old), 20, "new workers serve")
    for client in halves:
        client.send(b"gateway.test\r\n\r\n")

    assert [client.answer().status for client in halves] == [200, 200]
    assert all(client.is_closed_by_peer() for client in halves)
    own_gateway.close_clients()
    eventually(lambda: not old & set(own_gateway.worker_pids()), 20, "old workers end")


def new_ones_serve(gateway: Gateway, old: set[int]) -> bool:
    """Tell whether the old workers take no connection any more."""
    probes = [gateway.client() for _ in range(5)]
    kept = {probe.ask("GET", "/health/liveliness").fields.one("connection") for probe in probes} == {"keep-alive"}
    return kept and not old & {worker_of(gateway, probe) for probe in probes}


def test_readiness_turns_while_connections_are_still_taken(start_gateway: Launch, faults_config: str) -> None:
    """G20: a load balancer is told before anybody is refused."""
    gateway = start_gateway(faults_config, DRAIN_SECONDS="600")
    idle = gateway.client()
    assert idle.ask("GET", "/health/readiness").status == 200

    gateway.begin_stop()
    eventually(lambda: gateway.ask("GET", "/health/readiness").status == 503, 10, "readiness is 503")
    others = [gateway.ask("GET", "/health/liveliness") for _ in range(5)]

    assert idle.ask("GET", "/health/readiness").status == 503
    assert idle.is_closed_by_peer()
    assert [(got.status, got.fields.one("connection")) for got in others] == [(200, "close")] * 5
    gateway.signal(signal.SIGTERM)
    assert gateway.process.wait(20) == 0


def test_streams_outlive_a_reload(own_gateway: Gateway, planned_listener: socket.socket) -> None:
    """G21: an old worker ends with its last stream."""
    old = set(own_gateway.worker_pids())

    async def scenario(port: int, upstream: PlannedUpstream) -> Findings:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /f{scenarios.Plan('21', 'endless').target} HTTP/1.1\r\nHost: g\r\n\r\n".encode())
        await reader.readuntil(b"data: 21")
        own_gateway.signal(signal.SIGHUP)
        await settled(lambda: len(old & set(own_gateway.worker_pids())) == 1)
        for _ in range(10):
            await reader.readuntil(b"data: 21")
        writer.close()
        is_over = await settled(lambda: not old & set(own_gateway.worker_pids()))
        return Findings([] if is_over else ["an old worker outlives its last stream"])

    assert played(own_gateway.port, planned_listener, scenario).complaints == []
