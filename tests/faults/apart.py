"""Upstream and clients in processes of their own: a soak's harness must cost less than what it tests."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import TypeVar

from tests.faults import callers
from tests.faults.callers import Complaint, Judge
from tests.faults.ledger import Followed
from tests.faults.plans import Plan
from tests.faults.upstream import PlannedUpstream

Prepare = Callable[[PlannedUpstream], None]
Draw = Callable[[], Iterator[Plan]]
Judged = TypeVar("Judged", bound=Judge)


@functools.cache
def context() -> ForkServerContext:
    """Return what starts processes, all from one that has imported what is imported here by now."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([name for name in sys.modules if name.startswith(__package__) and "test_" not in name])
    return found


class Apart(Followed):
    """A PlannedUpstream in another process, that can be killed: the next one serves on the same socket."""

    def __init__(self, listener: socket.socket, file: Path, prepare: Prepare | None = None) -> None:
        super().__init__(file)
        self.file = file
        self.kills = 0
        self._listener = listener
        self._prepare = prepare

    def start(self) -> None:
        arguments = self._listener, self.file, self._prepare
        self._process = context().Process(target=_serve, args=arguments, daemon=True)
        self._process.start()

    def kill(self) -> None:
        """SIGKILL it, and let another one take its place."""
        assert self._process.pid
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.join()
        self.kills += 1
        self.start()

    def stop(self) -> None:
        self._process.terminate()
        self._process.join()


@contextlib.asynccontextmanager
async def apart(listener: socket.socket, prepare: Prepare | None = None) -> AsyncIterator[Apart]:
    """Serve on this socket from another process; return its ledger."""
    with tempfile.TemporaryDirectory() as folder:
        async with Apart(listener, Path(folder) / "ledger", prepare) as upstream:
            upstream.start()
            try:
                yield upstream
            finally:
                upstream.stop()


async def crowd(
    port: int, draw: Draw, clients: int, judge: Judged, processes: int
) -> tuple[list[Complaint], list[Judged]]:
    """Let clients in so many processes work through the plans; return complaints, and each process's judge."""
    shares = [(port, draw, number, processes, clients // processes, judge) for number in range(processes)]
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(processes, context()) as pool:
        done = await asyncio.gather(*(loop.run_in_executor(pool, _share, *share) for share in shares))
    return [complaint for complaints, _ in done for complaint in complaints], [judge for _, judge in done]


def _share(
    port: int, draw: Draw, number: int, processes: int, clients: int, judge: Judged
) -> tuple[list[Complaint], Judged]:
    todo = itertools.islice(draw(), number, None, processes)
    return asyncio.run(callers.judged(port, todo, clients, judge)), judge


def _serve(listener: socket.socket, file: Path, prepare: Prepare | None) -> None:
    async def serve() -> None:
        async with PlannedUpstream(listener, file) as upstream:
            upstream.enter("started")
            if prepare:
                prepare(upstream)
            await asyncio.Event().wait()

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(serve())
