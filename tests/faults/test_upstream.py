"""The faults' upstream leaves nothing behind that a later test would be blamed for."""

import asyncio
import gc
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.faults.upstream import PlannedUpstream


@pytest.mark.parametrize("rounds", range(6))
def test_no_socket_stays_open_that_was_being_accepted_at_the_end(rounds: int) -> None:
    """However far the loop has come with it; a socket left open is a warning, and so a failure."""

    async def end_early(listener: socket.socket, clients: ExitStack) -> None:
        async with PlannedUpstream(listener):
            for _ in range(20):
                clients.enter_context(socket.create_connection(listener.getsockname()))
            for _ in range(rounds):
                await asyncio.sleep(0)

    gc.collect()
    before = open_files()

    with ExitStack() as clients, socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        asyncio.run(end_early(listener, clients))
    gc.collect()

    assert open_files() - before == set()


def open_files() -> set[str]:
    """Return what is open; other threads close what earlier tests have left to them."""
    files = set()
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile, as what lists the folder is
            files.add(str(path.readlink()))
    return files
