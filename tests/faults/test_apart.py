"""An upstream in a process of its own tells what reached it, also when it is killed."""

from __future__ import annotations

import asyncio
import socket

from tests.faults.apart import apart
from tests.faults.callers import Verdict, as_planned, ask_once
from tests.faults.plans import Plan
from tests.faults.scenarios import settled


def test_ledger_outlives_an_upstream_that_is_killed() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        port = listener.getsockname()[1]

        async def kill_between() -> list[Verdict]:
            async with apart(listener) as upstream:
                before = await ask_once(port, Plan("before", "plain", size=50))
                waiting = asyncio.create_task(ask_once(port, Plan("waiting", "silence")))
                assert await settled(lambda: upstream.begun["waiting"] == 1)
                upstream.kill()
                after = await ask_once(port, Plan("after", "plain", "POST", upload=9))
                ledger = await upstream.caught_up()
                assert ledger.begun == {"before": 1, "waiting": 1, "after": 1}
                assert ledger.connections == 3
                assert await settled(lambda: upstream.busy == 0)
                return [before, await waiting, after]

        before, waiting, after = asyncio.run(kill_between())

    assert [as_planned(before), as_planned(after)] == [None, None]
    assert waiting.ending in ("cut", "reset")
