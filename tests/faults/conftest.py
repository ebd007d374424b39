"""A gateway of the faults' own, in front of an upstream that each scenario serves itself."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest

from tests.conftest import Launch
from tests.faults.scenarios import Findings
from tests.faults.upstream import PlannedUpstream
from tests.kit.gateway import Gateway

CONFIG = """
general_settings:
  pass_through_endpoints:
    - {{path: /f, target: "http://127.0.0.1:{port}", forward_headers: true}}
    - {{path: /other, target: "http://127.0.0.1:{other}", forward_headers: true}}
"""

Play = Callable[[Callable[[int, PlannedUpstream], Awaitable[Findings]]], Findings]


@pytest.fixture(scope="session")
def planned_listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        yield listener


@pytest.fixture(scope="session")
def other_listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        yield listener


@pytest.fixture(scope="session")
def faults_config(planned_listener: socket.socket, other_listener: socket.socket) -> str:
    return CONFIG.format(port=planned_listener.getsockname()[1], other=other_listener.getsockname()[1])


@pytest.fixture(scope="session")
def faults_gateway(start_gateway: Launch, faults_config: str) -> Gateway:
    return start_gateway(faults_config)


@pytest.fixture
def play(faults_gateway: Gateway, planned_listener: socket.socket) -> Play:
    """Let a scenario happen, its upstream and its clients in one event loop."""

    def play(scenario: Callable[[int, PlannedUpstream], Awaitable[Findings]]) -> Findings:
        return played(faults_gateway.port, planned_listener, scenario)

    return play


def played(
    port: int, listener: socket.socket, scenario: Callable[[int, PlannedUpstream], Awaitable[Findings]]
) -> Findings:
    async def happen() -> Findings:
        async with PlannedUpstream(listener) as upstream:
            return await scenario(port, upstream)

    return asyncio.run(happen())
