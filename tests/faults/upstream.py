"""An upstream that does what each request's plan says, and keeps a ledger of what reached it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.faults import acts, plans
from tests.faults.ledger import Ledger
from tests.faults.line import Gone, Line
from tests.faults.plans import Plan


class PlannedUpstream(Ledger):
    """Serves on a socket that listens already, within one event loop; `async with` ends it."""

    def __init__(self, listener: socket.socket, file: Path | None = None) -> None:
        super().__init__(file)
        self.octets_of: Callable[[Plan], bytes] | None = None
        """Answers with these octets instead."""
        self.spoils: Callable[[Plan], bool] = lambda plan: plan.kind in plans.SPOILS
        """Whether no other request may come on the connection afterwards."""
        self.idle_s: float | None = None
        """How long it waits for a next request before it closes; None for ever."""
        self._listener = listener
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, sock=self._listener.dup(), backlog=4096)
        return self

    async def __aexit__(self, *_: object) -> None:
        # A server that closes forgets the sockets that it is just accepting: let none come, and those arrive, first.
        for listener in self._server.sockets:
            asyncio.get_running_loop().remove_reader(listener.fileno())
        await self._settled()
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._settled()

    async def _settled(self) -> None:
        """Let the loop go round: transports open and close in its next rounds."""
        for _ in range(5):
            await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self.enter("connected")
        try:
            await self._converse(Line(reader, writer, self))
        except (Gone, ConnectionError, TimeoutError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()  # what nobody reads would keep it open
        finally:
            self.enter("closed")
            self._tasks.discard(task)
            writer.close()

    async def _converse(self, line: Line) -> None:
        before: Plan | None = None
        while True:
            async with asyncio.timeout(self.idle_s):
                target, generations = await line.head()
            plan = plans.read(target)
            line.plan = plan
            self.enter("begun", plan.tag)
            try:
                if generations:
                    self._compare(plan, generations)
                if before is not None and self.spoils(before):
                    self.enter("wrong", f"{plan.tag} came on a connection that was spoiled by {before.tag}")
                    return
                before = plan
                if not await self._answered(line, plan):
                    return
            finally:
                self.enter("over", plan.tag)

    def _compare(self, plan: Plan, generations: list[str]) -> None:
        self.enter("generation", generations[0])
        if len(set(generations)) > 1:
            self.enter("wrong", f"{plan.tag} has two generations of settings: {generations}")

    async def _answered(self, line: Line, plan: Plan) -> bool:
        """Do what the plan says; tells whether another request may come."""
        await line.body()
        self.enter("whole", plan.tag)
        if self.octets_of is None:
            return await acts.of(plan)(line, plan)
        await line.send(self.octets_of(plan))
        if self.spoils(plan):
            await line.end_soon()
        return True
